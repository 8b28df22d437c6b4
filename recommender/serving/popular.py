"""The same for everybody: what is bought, and what is new. For visitors without events and shops without a model."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from django.core.cache import cache
from django.db.models import F, IntegerField

from recommender.catalog import get_catalog, item_model, key_field
from recommender.conf import conf
from recommender.index.nearest import available_items
from recommender.index.reading import reading
from recommender.models import Event, ItemEmbedding, ModelVersion, SavedFilter

logger = logging.getLogger(__name__)

COUNTED_EVENTS: Final = 10_000  # newest events that decide while no version is live
REMEMBERED: Final = 200  # item keys in the cache; the longest list and what may sell out within the minute

Scored = list[tuple[Any, float]]  # (item key, score), best first


def popular_items(version: ModelVersion | None, within: SavedFilter | None = None) -> Scored:
    """Most popular first, up to POPULAR_CACHE_SECONDS old; not checked for availability since.

    Without a live version the newest events are counted, and behind what they name the newest items come.
    """
    found = cached(f"popular:{version.pk}", within, lambda: _by_version(version, within)) if version else []
    return found or cached("popular:events", within, lambda: _by_events(within))


def newest_items(within: SavedFilter | None = None) -> Scored:
    """Newest first, by `Catalog.added_at`, else by a numeric key; none where nothing tells which items are new."""
    if not (get_catalog().added_at or isinstance(key_field(), IntegerField)):
        return []
    return cached("newest", within, lambda: _newest(within))


def _by_version(version: ModelVersion, within: SavedFilter | None) -> Scored:
    rows = ItemEmbedding.objects.filter(version_id=version.pk, item__in=available_items(within).values("pk"))
    return list(rows.order_by("-popularity").values_list("item_id", "popularity")[:REMEMBERED])


def _by_events(within: SavedFilter | None) -> Scored:
    # Counted here, not in a join: the index gives the newest events at once, and only a few items are looked up.
    newest = Event.objects.filter(doubt=Event.Doubt.NONE).order_by("-at")
    once_a_day = {
        (visitor, item, at.date())
        for visitor, item, at in newest.values_list("visitor_id", "item_id", "at")[:COUNTED_EVENTS]
    }
    counts = Counter(item for _visitor, item, _day in once_a_day).most_common(2 * REMEMBERED)
    counted = only_available([(key, float(events)) for key, events in counts], within)
    named = dict(counted)
    return [*counted, *((key, score) for key, score in _newest(within) if key not in named)][:REMEMBERED]


def _newest(within: SavedFilter | None) -> Scored:
    added_at = get_catalog().added_at
    newest_first = [F(added_at).desc(nulls_last=True), "-pk"] if added_at else ["-pk"]
    # Not in order itself: what the shop calls available may be joined with rows of which an item has several.
    items = item_model()._base_manager.filter(pk__in=available_items(within).values("pk")).order_by(*newest_first)
    with reading(conf.BUDGET_MS):
        return [(key, 0.0) for key in dict.fromkeys(items.values_list("pk", flat=True)[:REMEMBERED])]


def only_available(scored: Scored, within: SavedFilter | None) -> Scored:
    """Those that may be shown right now, in the same order."""
    keys = available_items(within).filter(pk__in=[key for key, _score in scored]).values_list("pk", flat=True)
    available = set(keys)
    return [(key, score) for key, score in scored if key in available]


def cached(
    name: str, within: SavedFilter | None, compute: Callable[[], Scored], seconds: float | None = None
) -> Scored:
    """The cached list, else a computed one; a cache that is down only costs the computing.

    Args:
        seconds: how long it holds; None: POPULAR_CACHE_SECONDS.
    """
    key = f"recommender:{name}:{within.pk if within else ''}"
    try:
        found = cache.get(key)
    except Exception:  # backends raise whatever their client raises
        logger.warning("The cache does not answer; popular items are counted again.", exc_info=True)
        found = None
    if found is not None:
        return list(found)
    with reading(conf.BUDGET_MS):
        found = compute()
    try:
        cache.set(key, found, conf.POPULAR_CACHE_SECONDS if seconds is None else seconds)
    except Exception:  # as above
        logger.warning("The cache does not store popular items.", exc_info=True)
    return found
