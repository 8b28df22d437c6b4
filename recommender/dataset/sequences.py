"""Event log → one history a visitor, in time order, and windows of it that fit the Transformer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS, EventLog
from recommender.dataset.portions import portions
from recommender.dataset.vocabulary import Vocabulary

PIECE: Final = 500_000  # events looked at together: bounds the memory that sorting them takes


@dataclass(frozen=True, slots=True)
class Histories:
    """All events, grouped by visitor and in time order within each; rows of the vocabularies, not shop keys.

    Attributes:
        offsets: [visitors + 1] int64; visitor number v owns events offsets[v]..offsets[v + 1].
        visitor: [visitors] int64, `Visitor.pk` of visitor number v, ascending.
        item: [events] int32 item rows, never padding.
        kind: [events] int8.
        at: [events] int32 or int64 seconds.
        basket: [events] int32, the same number for events of one visitor with the same timestamp; ascending.
    """

    offsets: NDArray[np.int64]
    visitor: NDArray[np.int64]
    item: NDArray[np.int32]
    kind: NDArray[np.int8]
    at: NDArray[np.integer]
    basket: NDArray[np.int32]

    @property
    def owner(self) -> NDArray[np.int64]:
        """[events] visitor number of each event."""
        return np.repeat(np.arange(len(self.visitor)), np.diff(self.offsets))

    def pairs(self, item_rows: int) -> NDArray[np.int64]:
        """[events] visitor number · item_rows + item row."""
        pairs = self.owner
        pairs *= item_rows
        pairs += self.item
        return pairs

    def pieces(self) -> Iterator["Histories"]:
        """The same without a copy, a few visitors at a time: about `PIECE` events, or one visitor with more."""
        for few in portions(np.diff(self.offsets), PIECE):
            offsets = self.offsets[few.start : few.stop + 1]
            events = slice(offsets[0], offsets[-1])
            rows = (self.item[events], self.kind[events], self.at[events], self.basket[events])
            yield Histories(offsets - offsets[0], self.visitor[few], *rows)

    def where(self, mask: NDArray[np.bool_]) -> "Histories":
        """The events where `mask` holds, of the same visitors; without a copy where it holds for all."""
        if mask.all():
            return self
        left = np.cumsum(np.append(False, mask), dtype=np.int32)
        rows = (self.item[mask], self.kind[mask], self.at[mask], self.basket[mask])
        return Histories(left[self.offsets].astype(np.int64), self.visitor, *rows)

    def of(self, numbers: NDArray[np.int64]) -> "Histories":
        """The histories of these visitors [n] alone, in this order."""
        starts, counts = self.offsets[numbers], np.diff(self.offsets)[numbers]
        offsets = np.append(0, np.cumsum(counts))
        place = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        rows = (self.item[place], self.kind[place], self.at[place], self.basket[place])
        return Histories(offsets, self.visitor[numbers], *rows)


def histories(log: EventLog, items: Vocabulary) -> Histories:
    """Group the log by visitor with one sort; events of items outside the vocabulary are left out."""
    rows = np.empty(len(log), np.int32)
    for begin in range(0, len(log), PIECE):
        few = slice(begin, begin + PIECE)
        rows[few] = items.rows(log.item[few])
    order = np.lexsort((log.at, log.visitor))
    if not rows.all():
        order = order[rows[order] > 0]
    visitor, item, kind, at = log.visitor[order], rows[order], log.kind[order], log.at[order]
    del order, rows
    is_first = np.ones(len(visitor), dtype=bool)
    is_first[1:] = visitor[1:] != visitor[:-1]
    offsets = np.append(np.flatnonzero(is_first), len(visitor))
    new_basket = is_first.copy()
    new_basket[1:] |= at[1:] != at[:-1]
    basket = np.cumsum(new_basket, dtype=np.int32) - np.int32(1)
    return Histories(offsets, visitor[is_first].astype(np.int64), item, kind, at, basket)


def first_of_a_day(grouped: Histories) -> NDArray[np.int64]:
    """[n] ascending places of the first event of every visitor, item and UTC day."""
    day = grouped.at // DAY_SECONDS
    day -= day.min(initial=0)
    items, days = int(grouped.item.max(initial=0)) + 1, int(day.max(initial=0)) + 1
    _, first = np.unique(grouped.pairs(items) * days + day, return_index=True)
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
    events = np.diff(grouped.offsets)
    older = np.maximum(-((length - events) // stride), 0)  # windows besides the newest one, rounded up
    count = np.where(events > 0, older + 1, 0)
    owner = np.repeat(np.arange(len(events)), count)
    newer = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)  # windows of the visitor before this one
    stop = grouped.offsets[owner + 1] - newer * stride
    return Windows(np.maximum(stop - length, grouped.offsets[owner]), stop)
