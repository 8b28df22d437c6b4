"""Scores → lists."""

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.task import Ints

Score = Callable[[Ints], NDArray[np.float32]]
CELLS: Final = 10_000_000  # scores held at once


def top_lists(score: Score, taken: sp.csr_matrix, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
    """The k best items of each visitor.

    Args:
        score: [n] visitors → [n, items] float32, which is overwritten; -inf where the model cannot say.
        taken: [all visitors, items] CSR; its stored cells are left out if `exclude_taken`.
    Returns:
        [visitors, k] int32, best first, equal scores by item; -1 fills up.
    """
    items = taken.shape[1]
    chunk = max(1, CELLS // items)
    lists = np.full((len(visitors), k), -1, dtype=np.int32)
    for start in range(0, len(visitors), chunk):
        numbers = visitors[start : start + chunk]
        scores = score(numbers)
        if exclude_taken:
            scores[taken[numbers].nonzero()] = -np.inf
        most = min(k, items)
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        found = np.take_along_axis(scores, best, axis=1)
        order = np.lexsort((best, -found), axis=1)
        best, found = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
        lists[start : start + chunk, :most] = np.where(found > -np.inf, best, -1)
    return lists
