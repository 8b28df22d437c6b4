"""The same for everybody: what is bought, and what is new. For visitors without events and shops without a model."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.core.cache import cache
from django.db import Error
from django.db.models import F, IntegerField

from recommender.catalog import all_items, get_catalog, key_field
from recommender.conf import conf
from recommender.index.nearest import available_items
from recommender.index.reading import reading
from recommender.models import Event, ItemEmbedding, ModelVersion, SavedFilter
from recommender.savepoints import unharmed
from recommender.serving.rungs import Unanswered

logger = logging.getLogger(__name__)

COUNTED_EVENTS: Final = 10_000  # newest events that decide while no version is live
REMEMBERED: Final = 200  # item keys in the cache; the longest list and what may sell out within the minute
RETRY_SECONDS: Final = 30.0  # after a failure, until a page tries again
OLD_SECONDS: Final = 86_400.0  # a list from before is shown no longer
FAILED: Final = "failed"  # in the cache in a list's place

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
    items = all_items().filter(pk__in=available_items(within).values("pk")).order_by(*newest_first)
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

    A failure is cached, too, so that not every page begins what takes longer than its budget: for RETRY_SECONDS the
    list from before goes on, and the process that failed computes it beside its pages.

    Args:
        seconds: how long it holds; None: POPULAR_CACHE_SECONDS.
    Raises:
        Unanswered: it has failed a moment ago, and nobody knows the list from before.
        DatabaseError: it fails now.
    """
    late = Late(f"recommender:{name}:{within.pk if within else ''}", compute, seconds)
    found = _cached(late.key)
    if found == FAILED:
        raise Unanswered
    if found is not None:
        return list(found)
    try:
        with reading(conf.BUDGET_MS), unharmed():
            return late.compute_and_store()
    except Error:
        before = _cached(late.old_key)
        _store(late.key, FAILED if before is None else before, RETRY_SECONDS)
        _late[late.key] = late
        if before is None:
            raise
        logger.warning("%s takes too long; the list from before goes on.", late.key, exc_info=True)
        return list(before)


@dataclass(frozen=True, slots=True)
class Late:
    """A cached list and how it is computed; `seconds` as in `cached`."""

    key: str
    compute: Callable[[], Scored]
    seconds: float | None

    @property
    def old_key(self) -> str:
        return f"{self.key}:old"

    def compute_and_store(self) -> Scored:
        found = self.compute()
        _store(self.key, found, conf.POPULAR_CACHE_SECONDS if self.seconds is None else self.seconds)
        _store(self.old_key, found, OLD_SECONDS)
        return found


_late: Final[dict[str, Late]] = {}  # what pages of this process gave up


def compute_late() -> None:
    """What pages gave up, without their hurry; what fails here, too, waits until a page asks for it again."""
    while _late:
        _key, late = _late.popitem()
        late.compute_and_store()


def forget_late() -> None:
    """This process owes nothing."""
    _late.clear()


def _cached(key: str) -> Any:
    try:
        return cache.get(key)
    except Exception:  # backends raise whatever their client raises
        logger.warning("The cache does not answer; popular items are counted again.", exc_info=True)
        return None


def _store(key: str, found: Any, seconds: float) -> None:
    try:
        cache.set(key, found, seconds)
    except Exception:  # as above
        logger.warning("The cache does not store popular items.", exc_info=True)
