"""What everybody buys: the rung for visitors without events and for shops without a model."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from django.core.cache import cache

from recommender.conf import conf
from recommender.index.nearest import available_items
from recommender.index.reading import reading
from recommender.models import Event, ItemEmbedding, ModelVersion

logger = logging.getLogger(__name__)

COUNTED_EVENTS: Final = 10_000  # newest events that decide while no version is live
REMEMBERED: Final = 200  # item keys in the cache; the longest list and what may sell out within the minute


def popular_items(version: ModelVersion | None) -> list[tuple[Any, float]]:
    """(item key, score), most popular first, up to POPULAR_CACHE_SECONDS old; not checked for availability since.

    Without a live version the newest events are counted, without events the newest items come.
    """
    found = _cached(f"recommender:popular:{version.pk}", lambda: _by_version(version)) if version else []
    return found or _cached("recommender:popular:events", _by_events) or _newest()


def _by_version(version: ModelVersion) -> list[tuple[Any, float]]:
    rows = ItemEmbedding.objects.filter(version_id=version.pk, item__in=available_items().values("pk"))
    return list(rows.order_by("-popularity").values_list("item_id", "popularity")[:REMEMBERED])


def _by_events() -> list[tuple[Any, float]]:
    # Counted here, not in a join: the index gives the newest events at once, and only a few items are looked up.
    newest = Event.objects.filter(doubt=Event.Doubt.NONE).order_by("-at")
    once_a_day = {
        (visitor, item, at.date())
        for visitor, item, at in newest.values_list("visitor_id", "item_id", "at")[:COUNTED_EVENTS]
    }
    counts = Counter(item for _visitor, item, _day in once_a_day).most_common(2 * REMEMBERED)
    available = set(available_items().filter(pk__in=[key for key, _ in counts]).values_list("pk", flat=True))
    return [(key, float(events)) for key, events in counts if key in available][:REMEMBERED]


def _newest() -> list[tuple[Any, float]]:
    with reading(conf.BUDGET_MS):
        return [
            (item_id, 0.0) for item_id in available_items().order_by("-pk").values_list("pk", flat=True)[:REMEMBERED]
        ]


def _cached(key: str, compute: Callable[[], list[tuple[Any, float]]]) -> list[tuple[Any, float]]:
    """The cached list, else a computed one; a cache that is down only costs the computing."""
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
        cache.set(key, found, conf.POPULAR_CACHE_SECONDS)
    except Exception:  # as above
        logger.warning("The cache does not store popular items.", exc_info=True)
    return found
