"""Catalogue columns → integers that an encoder can embed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable

PRICE_BUCKETS = 20
MAX_VALUES = 5_000  # of one column; rarer values share code 0 with the missing ones


@dataclass(frozen=True, slots=True)
class AttributeCodes:
    """Attributes as codes, one column each.

    Attributes:
        names: [columns] attribute names.
        codes: [items, columns] int64, 0 where missing or rare.
        sizes: [columns] number of codes of a column, 0 included.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    sizes: tuple[int, ...]


def attribute_codes(items: ItemTable) -> AttributeCodes:
    """Code every attribute column, most frequent value first, and the price as quantile buckets."""
    columns = {name: _codes(np.asarray(values, dtype=str)) for name, values in items.attributes.items()}
    if items.price_cents is not None and np.isfinite(items.price_cents).any():
        columns["price"] = _price_codes(items.price_cents)
    columns = {name: codes for name, codes in columns.items() if codes.any()}
    if not columns:
        return AttributeCodes((), np.zeros((len(items), 0), dtype=np.int64), ())
    stacked = np.stack(list(columns.values()), axis=1)  # [items, columns]
    return AttributeCodes(tuple(columns), stacked, tuple(int(size) for size in stacked.max(axis=0) + 1))


def _codes(values: NDArray[np.str_]) -> NDArray[np.int64]:
    keys, place, count = np.unique(values, return_inverse=True, return_counts=True)
    # A value of one item alone tells nothing about others; it is worth a code only in a tiny catalogue.
    eligible = (keys != "") & ((count > 1) | (len(values) < 100))
    order = np.flatnonzero(eligible)[np.argsort(-count[eligible], kind="stable")][:MAX_VALUES]
    code = np.zeros(len(keys), dtype=np.int64)
    code[order] = np.arange(1, len(order) + 1)
    return code[place]


def _price_codes(cents: NDArray[np.float32]) -> NDArray[np.int64]:
    known = np.isfinite(cents)
    edges = np.unique(np.quantile(cents[known], np.linspace(0, 1, PRICE_BUCKETS + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, np.nan_to_num(cents), side="right") + 1, 0).astype(np.int64)
