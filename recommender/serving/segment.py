"""What is popular among items of the kind that a visitor takes most: for when the vectors have no answer."""

from collections import Counter
from hashlib import sha256
from typing import Any, Final

from django.utils.translation import gettext as _

from recommender.catalog import get_catalog, shop_items
from recommender.index.nearest import available_items
from recommender.index.publish import live_version
from recommender.models import ItemEmbedding, ModelVersion, SavedFilter
from recommender.serving.entries import Found, Told
from recommender.serving.page import Asked
from recommender.serving.popular import REMEMBERED, Scored, cached, popular_items

NEWEST: Final = 50  # events that say which kind it is


def popular_in_segment(asked: Asked) -> Found:
    """Nothing for a visitor without events, and in a shop whose catalogue names no attribute."""
    lookup, visitor = segment_lookup(), asked.query.visitor
    if visitor is None or lookup is None:
        return Found()
    segment = _segment(asked.page.history(visitor).item[-NEWEST:].tolist(), lookup)
    if segment is None:
        return Found()
    version, within = live_version(), asked.placement.within
    name = sha256(f"{version and version.pk} {lookup} {segment}".encode()).hexdigest()[:24]
    scored = cached(f"segment:{name}", within, lambda: _popular(version, within, {lookup: segment}))
    reason = _("Popular in %(segment)s") % {"segment": segment}
    return Found.of(scored, version, Told(lambda entry: reason))


def segment_lookup() -> str | None:
    """The catalogue's lookup that sorts items into kinds."""
    catalog = get_catalog()
    return catalog.segment or next(iter(catalog.attributes), None)


def _segment(keys: list[Any], lookup: str) -> Any:
    """The most frequent kind among the items; the newest of equals."""
    kinds = dict(shop_items().filter(pk__in=set(keys)).order_by().values_list("pk", lookup))
    counted = Counter(kind for key in reversed(keys) if (kind := kinds.get(key)) not in (None, ""))
    return counted.most_common(1)[0][0] if counted else None


def _popular(version: ModelVersion | None, within: SavedFilter | None, kind: dict[str, Any]) -> Scored:
    items = available_items(within).filter(**kind)
    if version is not None:
        rows = ItemEmbedding.objects.filter(version_id=version.pk, item__in=items.values("pk"))
        return list(rows.order_by("-popularity").values_list("item_id", "popularity")[:REMEMBERED])
    scored = popular_items(None, within)
    of_kind = set(items.filter(pk__in=[key for key, _score in scored]).values_list("pk", flat=True))
    return [(key, score) for key, score in scored if key in of_kind]
