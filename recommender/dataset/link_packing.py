"""An item's links as bytes, as the web process reads them: numpy is enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.dataset.ranking_features import LINKED_ITEMS, RELATIONS, link_weights

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
EASE: Final = RELATIONS.index("ease")
ENTRY: Final = np.dtype([("row", "<u4"), ("strength", "<f2", (len(RELATIONS),))])


def pack_links(rows: Ints, strengths: Floats) -> bytes:
    """[n] item rows and [n, relations] strengths → bytes."""
    entries = np.zeros(len(rows), dtype=ENTRY)
    entries["row"], entries["strength"] = rows, strengths
    return entries.tobytes()


def unpack_links(packed: bytes | memoryview) -> tuple[Ints, Floats]:
    """What `pack_links` took."""
    entries = np.frombuffer(packed, dtype=ENTRY)
    return entries["row"].astype(np.int64), entries["strength"].astype(np.float32)


def newest_different(items: Sequence[object], baskets: Ints) -> tuple[list[int], Floats]:
    """(places of the newest event of each different item among the `LINKED_ITEMS` newest events, [places, windows]
    how much its links count).

    Args:
        items: [events] of one visitor, newest last. baskets: [events] ascending numbers.
    """
    first = max(len(items) - LINKED_ITEMS, 0)
    newest = list({items[place]: place for place in range(first, len(items))}.values())
    places = sorted(newest)
    item_back = len(places) - 1 - np.arange(len(places))
    basket_back = baskets[-1] - baskets[places] if places else np.zeros(0, np.int64)
    return places, link_weights(basket_back, item_back)


@dataclass(frozen=True, slots=True)
class Followed:
    """Links of several items, one after the other.

    Attributes:
        owner: [links] number of the item that each leads on from. rows: [links] item rows that they lead to.
        strengths: [links, len(LINKS)] weighted by how much the item counts; in "ease_ever" each counts once.
    """

    owner: Ints
    rows: Ints
    strengths: Floats

    def added_up(self) -> tuple[Ints, Floats]:
        """(different item rows [n] ascending, [n, len(LINKS)] sum of what leads there)."""
        rows, place = np.unique(self.rows, return_inverse=True)
        sums = [np.bincount(place, weights=column, minlength=len(rows)) for column in self.strengths.T]
        return rows, np.stack(sums, axis=1).astype(np.float32)


def follow(packed: Sequence[bytes | memoryview], weights: Floats) -> Followed:
    """The links of several items, unpacked at once.

    Args:
        packed: one an item. weights: [items, windows].
    """
    rows, strengths = unpack_links(b"".join(packed))
    counts = [len(entry) // ENTRY.itemsize for entry in packed]
    owner = np.repeat(np.arange(len(packed)), counts)
    weighted = strengths[:, :, None] * weights[owner][:, None]  # relations outside, windows inside, as in `LINKS`
    columns = [weighted.reshape(len(rows), strengths.shape[1] * weights.shape[1]), strengths[:, [EASE]]]
    return Followed(owner, rows, np.concatenate(columns, axis=1))


def strongest(rows: Ints, strengths: Floats, most: int) -> Ints:
    """The `most` strongest rows of each column of `strengths`, all together, ascending."""
    chosen = [rows[_best(column, most)] for column in strengths.T]
    return np.unique(np.concatenate(chosen)) if chosen else rows[:0]


def _best(column: Floats, most: int) -> Ints:
    """Places of the `most` largest values above 0; of equal ones the first. Few are sorted: that took 2 ms a list."""
    considered = np.flatnonzero(column > 0)
    if len(considered) > most:
        values = column[considered]
        considered = considered[values >= np.partition(values, -most)[-most]]
    return considered[np.argsort(-column[considered], kind="stable")[:most]]
