"""Everything that a version can tell of an item from its words alone: what cold items get at training, and new ones at
once. A file of the version; numpy only, never a pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable
from recommender.dataset.array_files import pack_arrays, unpack_arrays
from recommender.dataset.content_encoder import ContentEncoder, Layers
from recommender.dataset.item_features import AttributeCodes
from recommender.dataset.text_features import TextFeatures, unit_rows
from recommender.dataset.words import WordWeights

NAME: Final = "item_encoder.npz"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ItemEncoder:
    """The parts of an item that nobody took yet.

    Attributes:
        content: text and attributes → the content part. graph: [content, graph dim], what content predicts of it.
        sequence: [content + graph dim, sequence dim], what both predict of that.
        words: the catalogue's. statistics: [len(STATISTICS)] of an item without events, at a usual price.
    """

    content: ContentEncoder
    graph: Floats
    sequence: Floats
    words: WordWeights
    statistics: Floats

    def parts(self, items: ItemTable) -> dict[str, Floats]:
        """Part name → [items, its dim] float32 unit norm, as in the fused vectors of the version."""
        content = self.content.encode(items)
        graph = unit_rows(content @ self.graph)
        sequence = unit_rows(np.concatenate([content, graph], axis=1) @ self.sequence)
        unpopular = np.tile(np.array([0.0, 1.0], np.float32), (len(items), 1))
        return {"sequence": sequence, "graph": graph, "content": content, "popularity": unpopular}


def fuse_parts(vectors: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """[items, dim] float32, unit norm: the parts of `weights` side by side, each times the root of its weight; a part
    without direction for an item lends its length to none."""
    fused = np.concatenate([vectors[name] * np.float32(weight**0.5) for name, weight in weights.items()], axis=1)
    return unit_rows(fused)


def pack_encoder(encoder: ItemEncoder) -> bytes:
    """The file NAME."""
    words = encoder.words
    return pack_arrays(
        _content_arrays(encoder.content)
        | {"graph": encoder.graph, "sequence": encoder.sequence, "statistics": encoder.statistics}
        | {"words": words.words, "word_counts": words.counts, "word_scale": np.array([words.items, words.largest])}
    )


def unpack_encoder(content: bytes) -> ItemEncoder:
    """What `pack_encoder` wrote.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is no such file.
    """
    arrays = unpack_arrays(content)
    items, largest = arrays["word_scale"].tolist()
    return ItemEncoder(
        _content_of(arrays),
        arrays["graph"],
        arrays["sequence"],
        WordWeights(arrays["words"], arrays["word_counts"], int(items), largest),
        arrays["statistics"],
    )


def pack_content(encoder: ContentEncoder) -> bytes:
    """The content encoder alone, for a training that goes on from it."""
    return pack_arrays(_content_arrays(encoder))


def unpack_content(content: bytes) -> ContentEncoder:
    """What `pack_content` wrote."""
    return _content_of(unpack_arrays(content))


def _content_arrays(encoder: ContentEncoder) -> dict[str, NDArray[Any]]:
    layers = {field.name: getattr(encoder.layers, field.name) for field in fields(Layers)}
    tables = layers.pop("tables")
    values = json.dumps({name: list(values) for name, values in encoder.attributes.values.items()})
    edges = encoder.attributes.price_edges
    return {
        "grams": encoder.text.grams,
        "idf": encoder.text.idf,
        "components": encoder.text.components.astype(np.float16),  # most of the file; vectors are stored as halves, too
        "values": np.frombuffer(values.encode(), dtype=np.uint8),
        "edges": np.zeros(0, np.float32) if edges is None else edges,
        "has_price": np.array(edges is not None),
        **{f"layer.{name}": array for name, array in layers.items()},
        **{f"table.{column}": table for column, table in enumerate(tables)},
    }


def _content_of(arrays: dict[str, NDArray[Any]]) -> ContentEncoder:
    tables = tuple(arrays[f"table.{column}"] for column in range(sum(name.startswith("table.") for name in arrays)))
    layers = {name.removeprefix("layer."): array for name, array in arrays.items() if name.startswith("layer.")}
    text = TextFeatures(arrays["grams"], arrays["idf"], arrays["components"].astype(np.float32))
    values = json.loads(arrays["values"].tobytes())
    attributes = AttributeCodes(values, arrays["edges"] if arrays["has_price"] else None)
    return ContentEncoder(text, attributes, Layers(tables, **layers))
