"""Weighted matrix factorisation as `implicit` has it."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.peers.histories import events_of_pairs
from benchmarks.peers.lists import top_lists
from benchmarks.peers.tuning import search
from benchmarks.task import Ints, Log, Task

GRID = [
    {"factors": factors, "regularization": regularization, "alpha": alpha}
    for factors, regularization, alpha in (
        (256, 1.0, 10.0),
        (256, 0.1, 10.0),
        (128, 1.0, 10.0),
        (512, 1.0, 10.0),
        (256, 1.0, 40.0),
        (64, 1.0, 10.0),
        (256, 1.0, 2.0),
        (512, 1.0, 40.0),
        (512, 10.0, 40.0),
    )
]


class ALS:
    """Source: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008."""

    name = "als"

    def fit(self, task: Task, budget_seconds: float) -> None:
        self._factors, self.settings = search(
            lambda log, settings: Factors(log, settings, task.seed), GRID, task, budget_seconds
        )

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        return self._factors.top(visitors, k, exclude_taken)


class Factors:
    """One factorisation of one log; a repeat raises the confidence by its logarithm."""

    def __init__(self, log: Log, settings: dict[str, Any], seed: int) -> None:
        self._taken: sp.csr_matrix = events_of_pairs(log)
        confidence = self._taken.copy()
        confidence.data = 1.0 + np.log(confidence.data)
        with threadpool_limits(1, "blas"):  # implicit has threads of its own
            model = AlternatingLeastSquares(iterations=15, random_state=seed, **settings)
            model.fit(confidence, show_progress=False)
        self._visitors, self._items = model.user_factors, model.item_factors
        self._is_cold = np.bincount(self._taken.indices, minlength=log.items) == 0

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        return top_lists(self._score, self._taken, visitors, k, exclude_taken)

    def _score(self, visitors: Ints) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._visitors[visitors] @ self._items.T
        scores[:, self._is_cold] = -np.inf
        return scores
