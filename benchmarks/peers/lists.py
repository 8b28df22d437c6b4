"""Scores → lists, and the visitor–item matrix that most models start from."""

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.task import Ints, Log

Score = Callable[[Ints], NDArray[np.float32]]
BLOCK_SCORES: Final = 20_000_000  # visitors × items scored at once: 80 MB of float32


def interactions(log: Log) -> sp.csr_matrix:
    """[visitors, items] float32 CSR: how often a visitor took an item, all kinds of event alike."""
    ones = np.ones(len(log), dtype=np.float32)
    return sp.coo_matrix((ones, (log.visitor, log.item)), shape=(log.visitors, log.items)).tocsr()


def top_lists(score: Score, taken: sp.csr_matrix, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
    """The k best items of each visitor.

    Args:
        score: [b] visitors → [b, items] float32, which may be overwritten; -inf where the model cannot say.
        taken: [all visitors, items] CSR; what is stored there is left out if `exclude_taken`.
    Returns:
        [visitors, k] int32, best first, ties by item number; -1 fills up.
    """
    items = taken.shape[1]
    lists = np.full((len(visitors), k), -1, dtype=np.int32)
    step = max(1, BLOCK_SCORES // max(items, 1))
    for start in range(0, len(visitors), step):
        block = visitors[start : start + step]
        scores = score(block)
        if exclude_taken:
            row, column = taken[block].nonzero()
            scores[row, column] = -np.inf
        width = min(k, items)
        best = np.sort(np.argpartition(-scores, width - 1, axis=1)[:, :width], axis=1)
        values = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
        lists[start : start + step, :width] = np.where(np.isfinite(values), best, -1)
    return lists
