"""Ranking metrics over all items, never sampled. Averages are over visitors that have something to find."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CUT_OFF: Final = 10


def top(scores: Floats, k: int) -> NDArray[np.int64]:
    """[visitors, items] → [visitors, k] rows of the best items, best first; ties go to the lower row."""
    k = min(k, scores.shape[1])
    best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def hits(ranking: NDArray[np.int64], relevant: sp.csr_matrix) -> NDArray[np.bool_]:
    """[visitors, k] rows and [visitors, items] CSR of what was right → [visitors, k] right or not."""
    visitor = np.broadcast_to(np.arange(len(ranking))[:, None], ranking.shape)
    found = relevant[visitor.ravel(), ranking.ravel()] if ranking.size else np.zeros(0)
    return np.asarray(found).reshape(ranking.shape) > 0


def ndcg(hit: NDArray[np.bool_], relevant_count: NDArray[np.int64]) -> Floats:
    """[visitors, k] hits in order, [visitors] how many were right in all → [visitors] NDCG@k, NaN where none was.

    Source: Järvelin and Kekäläinen, TOIS 2002; the ideal list is cut at k too.
    """
    discount = 1.0 / np.log2(np.arange(2, hit.shape[1] + 2))
    ideal = np.r_[0.0, np.cumsum(discount)][np.minimum(relevant_count, hit.shape[1])]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(relevant_count > 0, (hit * discount).sum(axis=1) / ideal, np.nan).astype(np.float32)


def recall(hit: NDArray[np.bool_], relevant_count: NDArray[np.int64]) -> Floats:
    """[visitors] share of the right items among the first k, at most k of them counted; NaN where none was."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hit.sum(axis=1) / np.minimum(relevant_count, hit.shape[1])
    return np.where(relevant_count > 0, share, np.nan).astype(np.float32)
