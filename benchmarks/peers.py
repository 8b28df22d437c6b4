"""Peers that the gate does not need, but a fair comparison does."""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from recommender.dataset.graph import visitor_item_matrix
from recommender.dataset.sequences import Histories
from recommender.evaluation.baselines import ALL_KINDS, FOREVER, Scorer, popularity


def ease(grouped: Histories, item_rows: int, now: int, regularisation: float = 200.0, most: int = 8_000) -> Scorer:
    """EASE on the `most` most popular items (memory grows with their square), closed form.

    Source: Steck, arXiv:1905.03375.
    """
    counts = popularity(grouped, item_rows, now, FOREVER)
    columns = np.sort(np.argsort(-counts, kind="stable")[: min(most, item_rows)])
    taken = visitor_item_matrix(grouped, item_rows, now, FOREVER, ALL_KINDS)
    taken.data[:] = 1.0
    x = taken[:, columns].toarray()  # [visitors, columns]
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += regularisation
    inverse = scipy.linalg.cho_solve(
        scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True), np.eye(len(gram), dtype=np.float32)
    )
    weights = (-inverse / np.diag(inverse)).astype(np.float32)
    weights[np.diag_indices_from(weights)] = 0.0

    def score(visitors: NDArray[np.int64]) -> NDArray[np.float32]:
        scores = np.full((len(visitors), item_rows), -1e9, dtype=np.float32)
        scores[:, columns] = x[visitors] @ weights
        return scores

    return score
