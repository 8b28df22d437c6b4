"""Looking into a version's item vectors: the map of all, and the neighbours of one."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext as _

from recommender.admin.charts import bar
from recommender.admin.items import items_by_key
from recommender.admin.plots import scatter
from recommender.catalog import follow, get_catalog, item_key, shop_items
from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.index.nearest import similar
from recommender.index.writer import shop_keys
from recommender.models import ModelVersion

ITEM_MAP: Final = "item_map.json"  # see encoders/item_map.py
COLOURS: Final = 9  # kinds with a colour of their own; one more is for the others
LISTED: Final = 200  # rows of the table beside the map
NEIGHBOURS: Final = 12
FOUND: Final = 20


def item_map(version: ModelVersion) -> dict[str, Any]:
    """For `map.html`; without a plot where the version has no map."""
    try:
        stored = json.loads(read_artifact(version.pk, ITEM_MAP))
    except ArtifactCorrupt:
        return {"plot": "", "kinds": [], "rows": []}
    keys = shop_keys(np.asarray(stored["items"]))
    items = items_by_key(keys)
    kinds = {key: _kind(item) for key, item in items.items()}
    common = [kind for kind, _count in Counter(kinds.values()).most_common(COLOURS)]
    colour = {kind: place for place, kind in enumerate(common)}
    points = [
        {
            "x": x,
            "y": y,
            "kind": kinds[key],
            "colour": colour.get(kinds[key], COLOURS),
            "title": f"{get_catalog().item_title(items[key])} · {kinds[key]}",
            "name": get_catalog().item_title(items[key]),
            "url": neighbours_url(version, key),
        }
        for key, x, y in zip(keys, stored["x"], stored["y"], strict=True)
        if key in items  # not deleted since
    ]
    counts = Counter(point["kind"] for point in points)
    legend = [(colour[kind], kind, counts[kind]) for kind in common]
    others = sum(count for kind, count in counts.items() if kind not in colour)
    if others:
        legend.append((COLOURS, _("all others"), others))
    return {"plot": scatter(points), "kinds": legend, "rows": points[:LISTED], "drawn": len(points)}


def neighbours(version: ModelVersion, asked: Mapping[str, str]) -> dict[str, Any]:
    """For `neighbours.html`: `item` is a key, `q` words of a title."""
    words = asked.get("q", "").replace("\0", "").strip()  # Postgres takes no NUL
    context: dict[str, Any] = {"q": words, "item": None, "found": _find(version, words) if words else []}
    try:
        key = item_key(asked["item"]) if asked.get("item") else None
    except ValidationError:
        key = None
    item = items_by_key([key]).get(key) if key is not None else None
    if item is None:
        return context | {"is_unknown": bool(asked.get("item"))}
    near = similar(version, key, NEIGHBOURS) if version.has_vectors else []
    items = items_by_key(other for other, _cosine in near)
    rows = [
        _card(version, items[other]) | {"cosine": f"{cosine:.3f}", "bar": bar(cosine, "ours")}
        for other, cosine in near
        if other in items
    ]
    return context | {"item": _card(version, item), "rows": rows}


def neighbours_url(version: ModelVersion, key: Any) -> str:
    return f"{reverse('admin:recommender_modelversion_neighbours', args=[version.pk])}?item={key}"


def _find(version: ModelVersion, words: str) -> list[dict[str, Any]]:
    lookup = {f"{get_catalog().title}__icontains": words}
    items = shop_items().select_related(*get_catalog().select_related).filter(**lookup)
    return [_card(version, item) for item in items.order_by("pk")[:FOUND]]


def _card(version: ModelVersion, item: Any) -> dict[str, Any]:
    catalog = get_catalog()
    return {
        "title": catalog.item_title(item),
        "kind": _kind(item),
        "image": catalog.item_image_url(item),
        "shop_url": catalog.item_url(item),
        "price": catalog.item_price(item),
        "url": neighbours_url(version, item.pk),
    }


def _kind(item: Any) -> str:
    """The first attribute that the catalogue names; "" where it names none."""
    attributes = get_catalog().attributes
    return str(follow(item, attributes[0]) or "") if attributes else ""
