"""What a version must beat: classic rankers, each one function from histories to scores of every item."""

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.dataset.graph import visitor_item_matrix
from recommender.dataset.sequences import Histories, first_of_a_day
from recommender.dataset.split import DAY

Floats = NDArray[np.float32]
# [n] visitor numbers → [n, item rows] float32 scores, padding column included.
Scorer = Callable[[NDArray[np.int64]], Floats]

ALL_KINDS: Final = np.array([0.0, 0.3, 0.4, 0.7, 1.0], dtype=np.float32)  # view, click, cart, purchase
PURCHASES: Final = np.array([0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)
FOREVER: Final = 1e9  # days of decay that change nothing


def popularity(grouped: Histories, item_rows: int, now: int, decay_days: float = 30.0) -> Floats:
    """[item_rows] decayed count of visitors: a visitor counts an item once a day, and for one at most in all.

    So a few visitors who come every day cannot make a best seller.
    """
    once = first_of_a_day(grouped)
    order = np.lexsort((grouped.item[once], grouped.owner[once]))
    owner, item, day = (column[once][order] for column in (grouped.owner, grouped.item, grouped.at // DAY))
    weight = np.exp(-(now // DAY - day) / decay_days)
    first = np.ones(len(item), dtype=bool)  # where a visitor's days of an item begin
    first[1:] = (owner[1:] != owner[:-1]) | (item[1:] != item[:-1])
    by_visitor = np.minimum(np.bincount(np.cumsum(first) - 1, weights=weight), 1.0)
    return np.bincount(item[first], weights=by_visitor, minlength=item_rows).astype(np.float32)


def popular(grouped: Histories, item_rows: int, now: int, decay_days: float = FOREVER) -> Scorer:
    """The same list for everybody: items by how many visitors took them."""
    counts = popularity(grouped, item_rows, now, decay_days)
    return lambda visitors: np.broadcast_to(counts, (len(visitors), item_rows)).copy()


def own_decayed(
    grouped: Histories, item_rows: int, now: int, kind_weights: Floats, decay_days: float = 120.0
) -> Scorer:
    """What the visitor took before, decayed; the strongest simple guess where people rebuy."""
    own = visitor_item_matrix(grouped, item_rows, now, decay_days, kind_weights)
    return lambda visitors: own[visitors].toarray()


def item_knn(grouped: Histories, item_rows: int, now: int, neighbours: int = 100) -> Scorer:
    """Cosine of the items' visitor sets, the nearest `neighbours` of each item kept, summed over the history."""
    taken = visitor_item_matrix(grouped, item_rows, now, FOREVER, ALL_KINDS)
    taken.data[:] = 1.0
    norm = np.sqrt(np.maximum(np.asarray(taken.sum(axis=0)).ravel(), 1.0))
    unit = sp.csr_matrix(taken.multiply(1.0 / norm))
    similarity = _nearest(sp.csr_matrix(unit.T), unit, neighbours)
    return lambda visitors: (taken[visitors] @ similarity).toarray()


def _nearest(by_item: sp.csr_matrix, unit: sp.csr_matrix, neighbours: int, chunk: int = 1_024) -> sp.csr_matrix:
    """[items, items] CSR, the `neighbours` largest of each row, without the diagonal."""
    rows, columns, values = [], [], []
    busy = np.flatnonzero(np.diff(by_item.indptr))
    for at in range(0, len(busy), chunk):
        chosen = busy[at : at + chunk]
        block = (by_item[chosen] @ unit).toarray()
        block[np.arange(len(chosen)), chosen] = 0.0
        k = min(neighbours, block.shape[1])
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        rows.append(np.repeat(chosen, k))
        columns.append(best.ravel())
        values.append(np.take_along_axis(block, best, axis=1).ravel())
    shape = (by_item.shape[0], by_item.shape[0])
    if not rows:
        return sp.csr_matrix(shape, dtype=np.float32)
    matrix = sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    matrix.eliminate_zeros()
    return matrix
