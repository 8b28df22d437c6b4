"""Columns that leave Django: what every later stage reads. Plain numpy, no database behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

VIEW: Final = 1
CLICK: Final = 2
CART: Final = 3
PURCHASE: Final = 4
KINDS: Final = {VIEW: "view", CLICK: "click", CART: "cart", PURCHASE: "purchase"}

DAY_SECONDS: Final = 86_400

ItemId = int | str  # the shop's key; UUIDs travel as text


def narrowest(numbers: NDArray[Any]) -> NDArray[Any]:
    """[n] the same as int32 where that holds them all: half the memory of a large log. Text stays what it is."""
    if numbers.dtype.kind not in "iu":
        return numbers
    bounds = np.iinfo(np.int32)
    fits = not len(numbers) or (numbers.min() >= bounds.min and numbers.max() <= bounds.max)
    return numbers.astype(np.int32 if fits else np.int64)


@dataclass(frozen=True, slots=True)
class EventLog:
    """Events in time order, one row each.

    Attributes:
        visitor: [events] int32 or int64 (`narrowest`), `Visitor.pk`.
        item: [events] int32, int64 or str, the shop's key (`ItemId`).
        kind: [events] int8, one of `KINDS`.
        at: [events] int32 or int64, seconds since 1970 UTC, ascending.
        quantity: [events] float32, pieces.
    """

    visitor: NDArray[np.integer]
    item: NDArray[np.generic]
    kind: NDArray[np.int8]
    at: NDArray[np.integer]
    quantity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.visitor)

    def before(self, at: int) -> "EventLog":
        """The events before `at`, in seconds since 1970 UTC, without a copy."""
        return self._part(slice(0, int(np.searchsorted(self.at, at))))

    def since(self, at: int) -> "EventLog":
        """The events from `at` on, in seconds since 1970 UTC, without a copy."""
        return self._part(slice(int(np.searchsorted(self.at, at)), None))

    def where(self, mask: NDArray[np.bool_]) -> "EventLog":
        """The rows where `mask` holds, still in time order."""
        return self._part(mask)

    def _part(self, rows: slice | NDArray[np.bool_]) -> "EventLog":
        return EventLog(self.visitor[rows], self.item[rows], self.kind[rows], self.at[rows], self.quantity[rows])


@dataclass(frozen=True, slots=True)
class ItemTable:
    """The catalogue, one row an item, in ascending key order.

    Attributes:
        item: [items] int64 or str, the shop's key (`ItemId`), unique.
        title: [items] str.
        text: [items] str, all text fields joined by a line break.
        attributes: column name → [items] str values; "" where missing.
        price_cents: [items] float32, NaN where unknown.
        added_at: [items] float64 when each came, in seconds since 1970 UTC, NaN where unknown.
    """

    item: NDArray[np.generic]
    title: Sequence[str]
    text: Sequence[str]
    attributes: dict[str, Sequence[str]] = field(default_factory=dict)
    price_cents: NDArray[np.float32] | None = None
    added_at: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.item)
