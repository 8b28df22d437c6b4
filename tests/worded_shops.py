"""A shop whose version knows its products by their words: a real item encoder, learned in a second."""

from functools import cache
from typing import Any

import numpy as np

from recommender.capture.export import export_items
from recommender.capture.tables import ItemTable
from recommender.dataset.content_encoder import ContentEncoder
from recommender.dataset.item_encoder import NAME, ItemEncoder, fuse_parts, pack_encoder
from recommender.dataset.links import alike, packed, word_weights
from recommender.dataset.ranking_features import STATISTICS
from recommender.encoders.fusion import lay_out
from recommender.encoders.stack import StackSettings, train_content
from recommender.encoders.training import silent
from recommender.models import ModelVersion
from shop.models import Category, Department, Product
from tests.tiny_tables import mean_encoder
from tests.worlds import publish_tiny_version

DIMS = {"sequence": 2, "graph": 4, "content": 8, "popularity": 2}  # 16, as `tiny_tables.DIM`
WEIGHTS = {"sequence": 0.1, "graph": 0.2, "content": 0.6, "popularity": 0.1}
DRINKS = ("oat milk", "whole milk", "goat milk", "milk shake", "almond milk", "soy milk", "coconut milk", "rice milk")
TOOLS = ("garden hose", "garden rake", "garden spade", "garden fork", "garden shears", "garden gloves", "garden chair")


def make_product(name: str, shelf: str, **fields: Any) -> Product:
    department, _ = Department.objects.get_or_create(name="Everything", slug="everything")
    category, _ = Category.objects.get_or_create(department=department, name=shelf, slug=shelf.lower())
    return Product.objects.create(**{"name": name, "category": category, "price_cents": 199, "stock": 5, **fields})


def make_shop() -> list[Product]:
    """Drinks first, then tools."""
    drinks = [make_product(name, "Drinks") for name in DRINKS]
    return drinks + [make_product(name, "Tools") for name in TOOLS]


@cache
def _learned(text: tuple[str, ...], attributes: tuple[tuple[str, tuple[str, ...]], ...]) -> ContentEncoder:
    """Once for all shops of the same products, whatever their keys."""
    prices = np.full(len(text), 199, np.float32)
    items = ItemTable(np.arange(len(text)), text, text, dict(attributes), prices)
    _, encoder = train_content(items, StackSettings(content_dim=DIMS["content"]), lambda _: silent)
    assert encoder is not None
    return encoder


def encoder_of(items: ItemTable) -> tuple[ItemEncoder, dict[str, Any]]:
    """(an encoder of the catalogue, its links)."""
    content = _learned(tuple(items.text), tuple((name, tuple(values)) for name, values in items.attributes.items()))
    random = np.random.default_rng(0)
    graph = random.normal(size=(DIMS["content"], DIMS["graph"])).astype(np.float32)
    sequence = random.normal(size=(DIMS["content"] + DIMS["graph"], DIMS["sequence"])).astype(np.float32)
    links = {"follow": alike(items) * 0, "ease": alike(items) * 0, "content": alike(items)}
    links["content"].data /= links["content"].data.max()
    statistics = np.arange(len(STATISTICS), dtype=np.float32)
    return ItemEncoder(content, graph, sequence, word_weights(items, links), statistics), links


def publish_worded_version() -> ModelVersion:
    """A live version of the whole catalogue whose items are all cold."""
    items = export_items()
    encoder, links = encoder_of(items)
    return publish_tiny_version(
        items.item.tolist(),
        vector=fuse_parts(encoder.parts(items), WEIGHTS),
        parts=lay_out(DIMS, WEIGHTS),
        statistics=np.tile(encoder.statistics, (len(items), 1)),
        links=packed(links)[1:],
        is_cold=np.ones(len(items), dtype=bool),
        artifacts={"visitor_encoder.onnx": mean_encoder(), NAME: pack_encoder(encoder)},
    )
