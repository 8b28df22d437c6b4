"""Catalogue columns → integers that an encoder can embed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable

PRICE_BUCKETS: Final = 20
MAX_VALUES: Final = 5_000  # of one column; rarer values share code 0 with the missing ones
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AttributeCodes:
    """How the attributes of a catalogue, and of items that come later, become codes: one column each, the price last.

    Attributes:
        values: attribute → its values in the order of their codes, which start at 1; 0 is missing, rare or unknown.
        price_edges: [edges] cents between the price's buckets; None where no price is known.
    """

    values: dict[str, Sequence[str]] = field(default_factory=dict)
    price_edges: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, items: ItemTable) -> "AttributeCodes":
        """Most frequent value first; attributes without a value worth a code are left out."""
        values = {name: _worth_a_code(np.asarray(column, dtype=str)) for name, column in items.attributes.items()}
        return cls({name: found for name, found in values.items() if found}, _price_edges(items.price_cents))

    @property
    def sizes(self) -> tuple[int, ...]:
        """[columns] number of codes, 0 included."""
        price = () if self.price_edges is None else (len(self.price_edges) + 2,)
        return tuple(len(values) + 1 for values in self.values.values()) + price

    def codes(self, items: ItemTable) -> Codes:
        """[items, columns] int64."""
        columns = []
        for name, values in self.values.items():
            code = {value: number for number, value in enumerate(values, start=1)}
            found = items.attributes.get(name, [""] * len(items))
            columns.append(np.array([code.get(value, 0) for value in found], dtype=np.int64))
        if self.price_edges is not None:
            columns.append(_price_codes(items, self.price_edges))
        return np.stack(columns, axis=1) if columns else np.zeros((len(items), 0), dtype=np.int64)


def _worth_a_code(values: NDArray[np.str_]) -> list[str]:
    keys, count = np.unique(values, return_counts=True)
    # A value of one item alone tells nothing about others; it is worth a code only in a tiny catalogue.
    eligible = (keys != "") & ((count > 1) | (len(values) < 100))
    order = np.flatnonzero(eligible)[np.argsort(-count[eligible], kind="stable")][:MAX_VALUES]
    return [str(key) for key in keys[order]]


def _price_edges(cents: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    known = np.zeros(0, np.float32) if cents is None else cents[np.isfinite(cents)]
    if not len(known):
        return None
    return np.unique(np.quantile(known, np.linspace(0, 1, PRICE_BUCKETS + 1)[1:-1]).astype(np.float32))


def _price_codes(items: ItemTable, edges: NDArray[np.float32]) -> Codes:
    cents = np.full(len(items), np.nan, np.float32) if items.price_cents is None else items.price_cents
    bucket = np.searchsorted(edges, np.nan_to_num(cents), side="right") + 1
    return np.where(np.isfinite(cents), bucket, 0).astype(np.int64)
