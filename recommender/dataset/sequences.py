"""Event log → one history a visitor, in time order, and windows of it that fit the Transformer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import EventLog
from recommender.dataset.split import DAY
from recommender.dataset.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Histories:
    """All events, grouped by visitor and in time order within each; rows of the vocabularies, not shop keys.

    Attributes:
        offsets: [visitors + 1] int64; visitor number v owns events offsets[v]..offsets[v + 1].
        visitor: [visitors] int64, `Visitor.pk` of visitor number v, ascending.
        item: [events] int64 item rows, never padding.
        kind: [events] int64.
        at: [events] int64 seconds.
        basket: [events] int64, the same number for events of one visitor with the same timestamp; ascending.
    """

    offsets: NDArray[np.int64]
    visitor: NDArray[np.int64]
    item: NDArray[np.int64]
    kind: NDArray[np.int64]
    at: NDArray[np.int64]
    basket: NDArray[np.int64]

    @property
    def owner(self) -> NDArray[np.int64]:
        """[events] visitor number of each event."""
        return np.repeat(np.arange(len(self.visitor)), np.diff(self.offsets))

    def where(self, mask: NDArray[np.bool_]) -> "Histories":
        """The events where `mask` holds, of the same visitors."""
        left = np.bincount(self.owner[mask], minlength=len(self.visitor))
        offsets = np.concatenate([[0], np.cumsum(left)]).astype(np.int64)
        rows = (self.item[mask], self.kind[mask], self.at[mask], self.basket[mask])
        return Histories(offsets, self.visitor, *rows)


def histories(log: EventLog, items: Vocabulary) -> Histories:
    """Group the log by visitor with one sort; events of items outside the vocabulary are left out."""
    rows = items.rows(log.item)
    known = rows > 0
    visitor, item, kind, at = log.visitor[known], rows[known], log.kind[known].astype(np.int64), log.at[known]
    order = np.lexsort((at, visitor))
    visitor, item, kind, at = visitor[order], item[order], kind[order], at[order]
    keys, starts = np.unique(visitor, return_index=True)
    new_basket = np.ones(len(visitor), dtype=bool)
    new_basket[1:] = (visitor[1:] != visitor[:-1]) | (at[1:] != at[:-1])
    offsets = np.append(starts, len(visitor)).astype(np.int64)
    return Histories(offsets, keys, item, kind, at, np.cumsum(new_basket) - 1)


def first_of_a_day(grouped: Histories) -> NDArray[np.int64]:
    """[n] ascending places of the first event of every visitor, item and UTC day."""
    day = grouped.at // DAY
    day -= day.min(initial=0)
    items, days = int(grouped.item.max(initial=0)) + 1, int(day.max(initial=0)) + 1
    _, first = np.unique((grouped.owner * items + grouped.item) * days + day, return_index=True)
    return np.sort(first)


@dataclass(frozen=True, slots=True)
class Windows:
    """Pieces of histories of at most `length` events: start inclusive, stop exclusive, in event positions."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]


def windows(grouped: Histories, length: int, stride: int) -> Windows:
    """Cut every history into windows of `length`, counted from its end, a new one each `stride` events.

    Windows overlap by `length - stride`, so that most positions see that much history; the one that reaches the
    beginning is the last.
    """
    starts, stops = [], []
    for first, last in zip(grouped.offsets[:-1], grouped.offsets[1:], strict=True):
        stop = np.arange(last, first, -stride)
        stop = stop[: np.count_nonzero(stop - length > first) + 1]
        stops.append(stop)
        starts.append(np.maximum(stop - length, first))
    if not starts:
        return Windows(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Windows(np.concatenate(starts), np.concatenate(stops))
