"""Visitor–item graph as one sparse matrix: the same rows serve the graph encoder and the pair counts."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS, PURCHASE
from recommender.dataset.sequences import Histories


def visitor_item_matrix(
    grouped: Histories, item_rows: int, now: int, decay_days: float, kind_weights: NDArray[np.float32]
) -> sp.csr_matrix:
    """[visitors, item_rows] float32 CSR: sum over a visitor's events of kind weight × exp(-age / decay_days).

    Args:
        item_rows: width, padding included (`len(vocabulary)`).
        now: seconds since 1970 UTC that ages count from.
        kind_weights: [5] weight of each event kind by its number.
    """
    pieces = [
        kind_weights[each.kind] * np.exp((each.at - now) / (DAY_SECONDS * decay_days)) for each in grouped.pieces()
    ]
    weight = np.concatenate([np.zeros(0), *pieces], dtype=np.float32)
    matrix = sp.csr_matrix((weight, grouped.item.copy(), grouped.offsets), shape=(len(grouped.visitor), item_rows))
    matrix.sum_duplicates()
    return matrix


@dataclass(frozen=True, slots=True)
class ItemPairs:
    """Items that were taken together, best first within an item.

    Attributes:
        item, other: [pairs] int64 item rows.
        score: [pairs] float32 in 0..1, damped cosine of the two items' basket sets.
        support: [pairs] int32, different visitors who took both.
    """

    item: NDArray[np.int64]
    other: NDArray[np.int64]
    score: NDArray[np.float32]
    support: NDArray[np.int32]


def item_pairs(
    grouped: Histories, item_rows: int, min_buyers: int, most: int = 24, damping: float = 10.0, chunk: int = 2_000
) -> ItemPairs:
    """For each item the `most` others that share its baskets, with at least `min_buyers` buyers behind them.

    A basket is what one visitor bought on one day (UTC), so nobody supports a pair twice a day, however often they
    order; views and carts, which a browser can make up, support nothing. Damping, in baskets, keeps rare pairs from
    the top.
    """
    bought = grouped.where(grouped.kind == PURCHASE)
    buyers = np.bincount(binary_matrix(bought.offsets, bought.item, item_rows).indices, minlength=item_rows)
    is_frequent = buyers >= min_buyers  # by their buyers, which are counted again below: both at once take memory
    baskets = binary_matrix(_days(bought), bought.item, item_rows)
    baskets.data[~is_frequent[baskets.indices]] = 0.0
    baskets.eliminate_zeros()
    by_item = baskets.T.tocsr()
    scale = 1.0 / np.sqrt(np.bincount(baskets.indices, minlength=item_rows) + damping)
    rows = np.flatnonzero(is_frequent)
    none = np.zeros(0, dtype=np.int64)
    parts = [(none, none, none.astype(np.float64))]
    parts += [_best_of(by_item, baskets, scale, rows[at : at + chunk], most) for at in range(0, len(rows), chunk)]
    item, other, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    del baskets, by_item
    buyers_of = binary_matrix(bought.offsets, bought.item, item_rows).T.tocsr()
    support = _shared_visitors(buyers_of, item, other)
    enough = support >= min_buyers
    return ItemPairs(item[enough], other[enough], score[enough].astype(np.float32), support[enough].astype(np.int32))


def binary_matrix(offsets: NDArray[np.int64], item: NDArray[np.int32], item_rows: int) -> sp.csr_matrix:
    """[rows, item_rows] float32 CSR of 1 where row r holds the item: one of item[offsets[r]..offsets[r + 1]]."""
    ones = np.ones(len(item), dtype=np.float32)
    matrix = sp.csr_matrix((ones, item.copy(), offsets), shape=(len(offsets) - 1, item_rows))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _days(grouped: Histories) -> NDArray[np.int64]:
    """[days + 1] where the events of each visitor and day begin, and where the last ones end."""
    day = grouped.at // DAY_SECONDS
    begins = np.ones(len(day), dtype=bool)
    begins[1:] = day[1:] != day[:-1]
    first = grouped.offsets[:-1]
    begins[first[first < len(day)]] = True
    return np.append(np.flatnonzero(begins), len(day))


def _best_of(
    by_item: sp.csr_matrix, baskets: sp.csr_matrix, scale: NDArray[np.float64], rows: NDArray[np.int64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The `most` best partners of each of `rows`: (item, other, score), best first."""
    shared = (by_item[rows] @ baskets).tocoo()
    item, other = rows[shared.row], shared.col.astype(np.int64)
    score = shared.data * scale[item] * scale[other]
    keep = item != other
    item, other, score = item[keep], other[keep], score[keep]
    order = np.lexsort((other, -score, item))
    item, other, score = item[order], other[order], score[order]
    first = np.searchsorted(item, item, side="left")  # where each item's block begins
    top = np.arange(len(item)) - first < most
    return item[top], other[top], score[top]


def _shared_visitors(
    by_item: sp.csr_matrix, item: NDArray[np.int64], other: NDArray[np.int64], chunk: int = 50_000
) -> NDArray[np.int64]:
    """[pairs] number of visitors in both rows of `by_item` [items, visitors]."""
    counts = [
        np.asarray(by_item[item[at : at + chunk]].multiply(by_item[other[at : at + chunk]]).sum(axis=1)).ravel()
        for at in range(0, len(item), chunk)
    ]
    return np.concatenate(counts).astype(np.int64) if counts else np.zeros(0, dtype=np.int64)
