"""Judge by time: what happened after a moment, predicted from what happened before it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import PURCHASE, EventLog
from recommender.dataset.distinct import distinct

DAY = 86_400  # seconds
ENOUGH_BUYERS = 20  # to ask them alone
SESSION_GAP = 1_800  # seconds without an event that end a session


@dataclass(frozen=True, slots=True)
class Holdout:
    """What each visitor did next: the first session after the cut, of visitors with history before it.

    Attributes:
        visitor: [pairs] int64, `Visitor.pk`, ascending.
        item: [pairs] the shop's keys; one row a (visitor, item), no doubles.
        start: seconds since 1970 UTC, the cut.
    """

    visitor: NDArray[np.int64]
    item: NDArray[np.generic]
    start: int

    def __len__(self) -> int:
        return len(self.visitor)


def holdout_start(log: EventLog, share: float, days: float = math.inf) -> int:
    """The cut: the newest `share` of the events lie behind it, but nothing older than `days` before the newest."""
    if not len(log):
        return 0
    by_share = int(log.at[int(len(log) * (1 - share))])
    return by_share if math.isinf(days) else max(int(log.at[-1] - days * DAY), by_share)


def split_by_time(log: EventLog, at: int) -> tuple[EventLog, Holdout]:
    """(events before `at`, what their visitors did first from `at` on).

    Where enough of them purchase, the first purchasing session counts: its purchases are the answer. A shop that
    records none, or hardly any, is judged by all kinds.
    """
    train, later = log.before(at), _of_known(log, at)
    bought = later.where(later.kind == PURCHASE)
    buyers, visitors = (len(distinct(part.visitor)) for part in (bought, later))
    if buyers >= min(ENOUGH_BUYERS, visitors):
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


def first_sessions(log: EventLog) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
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


def _each_once(visitor: NDArray[np.int64], item: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.generic]]:
    order = np.lexsort((item, visitor))
    visitor, item = visitor[order], item[order]
    is_new = np.ones(len(visitor), dtype=bool)
    is_new[1:] = (visitor[1:] != visitor[:-1]) | (item[1:] != item[:-1])
    return visitor[is_new], item[is_new]
