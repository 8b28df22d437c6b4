"""What a version must beat: classic rankers, each one function from histories to scores of every item."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS
from recommender.dataset.graph import binary_matrix, visitor_item_matrix
from recommender.dataset.portions import portions, stacked
from recommender.dataset.sequences import Histories, first_of_a_day

Floats = NDArray[np.float32]
# [n] visitor numbers → [n, item rows] float32 scores, padding column included.
Scorer = Callable[[NDArray[np.int64]], Floats]

ALL_KINDS: Final = np.array([0.0, 0.3, 0.4, 0.7, 1.0], dtype=np.float32)  # view, click, cart, purchase
PURCHASES: Final = np.array([0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)
FOREVER: Final = 1e9  # days of decay that change nothing
ENTRIES: Final = 2_000_000  # cosines looked at together: bounds the memory


def popularity(grouped: Histories, item_rows: int, now: int, decay_days: float = 30.0) -> Floats:
    """[item_rows] decayed count of visitors: a visitor counts an item once a day, and for one at most in all.

    So a few visitors who come every day cannot make a best seller.
    """
    counts = np.zeros(item_rows)
    for few in grouped.pieces():  # of whole visitors
        once = first_of_a_day(few)
        order = np.lexsort((few.item[once], few.owner[once]))
        owner, item, day = (column[once][order] for column in (few.owner, few.item, few.at // DAY_SECONDS))
        weight = np.exp(-(now // DAY_SECONDS - day) / decay_days)
        first = np.ones(len(item), dtype=bool)  # where a visitor's days of an item begin
        first[1:] = (owner[1:] != owner[:-1]) | (item[1:] != item[:-1])
        by_visitor = np.minimum(np.bincount(np.cumsum(first) - 1, weights=weight), 1.0)
        counts += np.bincount(item[first], weights=by_visitor, minlength=item_rows)
    return counts.astype(np.float32)


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


def item_knn(grouped: Histories, item_rows: int, neighbours: int = 100) -> Scorer:
    """Cosine of the items' visitor sets, the nearest `neighbours` of each item kept, summed over the history."""
    taken = binary_matrix(grouped.offsets, grouped.item, item_rows)
    norm = np.sqrt(np.maximum(np.bincount(taken.indices, minlength=item_rows), 1.0))
    unit = sp.csr_matrix(((1.0 / norm).astype(np.float32)[taken.indices], taken.indices, taken.indptr), taken.shape)
    similarity = _nearest(unit, neighbours)
    return lambda visitors: (taken[visitors] @ similarity).toarray()


def _nearest(unit: sp.csr_matrix, neighbours: int) -> sp.csr_matrix:
    """[items, items] CSR of the `neighbours` largest cosines of each item of [visitors, items], without its own."""
    by_item = unit.T.tocsr()
    visited = sp.csr_matrix((np.ones(by_item.nnz, np.float32), by_item.indices, by_item.indptr), by_item.shape)
    reached = visited @ np.diff(unit.indptr).astype(np.float32)
    del visited

    def largest() -> Iterator[sp.csr_matrix]:
        for few in portions(np.minimum(reached, unit.shape[1]).astype(np.int64), ENTRIES):
            block = sp.csr_matrix(by_item[few] @ unit)
            row = np.repeat(np.arange(few.start, few.stop), np.diff(block.indptr))
            block.data[block.indices == row] = 0.0
            yield _largest(block, neighbours)

    return stacked(largest(), neighbours, (unit.shape[1], unit.shape[1]))


def _largest(matrix: sp.csr_matrix, most: int) -> sp.csr_matrix:
    """The `most` largest values of each row, those above 0."""
    kept = matrix.data > 0
    for first, last in zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True):
        if last - first > most:
            kept[first + np.argpartition(-matrix.data[first:last], most)[most:]] = False
    indptr = np.append(0, np.cumsum(kept))[matrix.indptr]
    return sp.csr_matrix((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)
