"""Judge by time: what happened after a moment, predicted from what happened before it."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS, PURCHASE, EventLog
from recommender.dataset.distinct import distinct

ENOUGH_VISITORS = 20  # to ask them; so many buyers are asked alone
WIDEST_SHARE: Final = 1 / 3  # of the log's time, where a shorter holdout would ask fewer than ENOUGH_VISITORS
MOST_VISITORS: Final = 8_000  # to ask them: rankers learn from 4,000, the judge asks 5,000
WHOLE_DAYS: Final = 7  # that a holdout of MOST_VISITORS has at least: weekends differ
SESSION_GAP = 1_800  # seconds without an event that end a session


@dataclass(frozen=True, slots=True)
class Holdout:
    """What each visitor did next: the first session after the cut, of visitors with history before it.

    Attributes:
        visitor: [pairs] int32 or int64, `Visitor.pk`, ascending.
        item: [pairs] the shop's keys; one row a (visitor, item), no doubles.
        start: seconds since 1970 UTC, the cut.
    """

    visitor: NDArray[np.integer]
    item: NDArray[np.generic]
    start: int

    def __len__(self) -> int:
        return len(self.visitor)


def holdout_start(log: EventLog, share: float, days: float = math.inf) -> int:
    """The cut: the newest `share` of the visitors' days lie behind it, one day at least, but nothing older than `days`
    before the newest.

    Days and not events: one visitor who looks at thousands of items in an evening would be a holdout that asks nobody
    else. Where that asks fewer than `ENOUGH_VISITORS`, the newest cut that asks so many, if there is one within `days`
    and `WIDEST_SHARE`. Where it asks more than `MOST_VISITORS`, a later one that leaves `WHOLE_DAYS`: a training that
    goes on learns what was held out, which must not grow with the shop for answers that nobody asks for.
    """
    if not len(log):
        return 0
    begins, first, last = _visits(log)
    newest = int(log.at[-1])
    oldest = newest - days * DAY_SECONDS
    cut = int(max(begins[min(int(len(begins) * (1 - share)), len(begins) - 1)], oldest))
    asked = int(_asked(first, last, np.array([cut]))[0])
    if asked > MOST_VISITORS:
        later = begins[(begins > cut) & (begins <= newest - WHOLE_DAYS * DAY_SECONDS)]
        few = later[_asked(first, last, later) <= MOST_VISITORS]
        return int([*few[:1], *later[-1:], cut][0])
    if asked >= ENOUGH_VISITORS:
        return cut
    oldest = max(oldest, newest - (newest - int(log.at[0])) * WIDEST_SHARE)
    earlier = last[(last >= oldest) & (last < cut)]  # the later the cut, the more events to learn from
    enough = earlier[_asked(first, last, earlier) >= ENOUGH_VISITORS]
    return int(enough[-1]) if len(enough) else cut


def _visits(log: EventLog) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]:
    """(when each day of each visitor begins [days], the first [visitors] and the last event of each), all ascending."""
    order = np.argsort(log.visitor, kind="stable")  # in time order within a visitor
    visitor, at = log.visitor[order], log.at[order]
    is_first = np.ones(len(visitor) + 1, dtype=bool)
    is_first[1:-1] = visitor[1:] != visitor[:-1]
    is_new_day = is_first[:-1].copy()
    is_new_day[1:] |= at[1:] // DAY_SECONDS != at[:-1] // DAY_SECONDS
    return np.sort(at[is_new_day]), np.sort(at[is_first[:-1]]), np.sort(at[is_first[1:]])


def _asked(first: NDArray[np.integer], last: NDArray[np.integer], cuts: NDArray[np.integer]) -> NDArray[np.int64]:
    """[cuts] how many visitors have events on both sides of each; from all their first and last events, ascending."""
    return np.searchsorted(first, cuts) - np.searchsorted(last, cuts)


def split_by_time(log: EventLog, at: int) -> tuple[EventLog, Holdout]:
    """(events before `at`, what their visitors did first from `at` on).

    Where enough of them purchase, the first purchasing session counts: its purchases are the answer. A shop that
    records none, or hardly any, is judged by all kinds.
    """
    train, later = log.before(at), _of_known(log, at)
    bought = later.where(later.kind == PURCHASE)
    buyers, visitors = (len(distinct(part.visitor)) for part in (bought, later))
    if buyers >= min(ENOUGH_VISITORS, visitors):
        later = bought
    visitor, item = first_sessions(later)
    return train, Holdout(visitor, item, at)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One moment to learn weights and ranking from.

    Attributes:
        log: what had happened. first: what each visitor did next. later: all that each did from then on.
        since: seconds since 1970 UTC; what happened before is in `log`.
    """

    log: EventLog
    first: Holdout
    later: Holdout
    since: int


def lesson(log: EventLog, at: int) -> Lesson:
    """The log up to `at`, in seconds since 1970 UTC, and what it holds from then on."""
    before, first = split_by_time(log, at)
    return Lesson(before, first, _later(log, at), at)


def _later(log: EventLog, at: int) -> Holdout:
    """Everything that known visitors took from `at` on, each pair once."""
    after = _of_known(log, at)
    return Holdout(*_each_once(after.visitor, after.item), start=at)


def _of_known(log: EventLog, at: int) -> EventLog:
    """The events from `at` on of visitors who have events before it."""
    after = log.since(at)
    return after.where(np.isin(after.visitor, log.before(at).visitor))


def first_sessions(log: EventLog) -> tuple[NDArray[np.integer], NDArray[np.generic]]:
    """(visitor [pairs], item [pairs]) of each visitor's first session in the log, each pair once."""
    order = np.lexsort((log.at, log.visitor))
    visitor, item, at = log.visitor[order], log.item[order], log.at[order]
    is_first = np.ones(len(visitor), dtype=bool)
    is_first[1:] = visitor[1:] != visitor[:-1]
    new_session = is_first.copy()
    new_session[1:] |= at[1:] - at[:-1] > SESSION_GAP
    session = np.cumsum(new_session)
    first_of_visitor = session[np.flatnonzero(is_first)] if len(session) else session
    number = np.cumsum(is_first) - 1
    mask = session == first_of_visitor[number] if len(session) else np.zeros(0, dtype=bool)
    return _each_once(visitor[mask], item[mask])


def _each_once(
    visitor: NDArray[np.integer], item: NDArray[np.generic]
) -> tuple[NDArray[np.integer], NDArray[np.generic]]:
    order = np.lexsort((item, visitor))
    visitor, item = visitor[order], item[order]
    is_new = np.ones(len(visitor), dtype=bool)
    is_new[1:] = (visitor[1:] != visitor[:-1]) | (item[1:] != item[:-1])
    return visitor[is_new], item[is_new]
