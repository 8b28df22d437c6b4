"""EASE: the linear item–item model with a closed form."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from benchmarks.peers.counting import CountingModel, Settings
from benchmarks.peers.histories import BASKET, EVENT, Floats, popularity, recent, taken, units
from benchmarks.peers.lists import Score
from benchmarks.task import Ints, Log, Task

MOST: Final = 10_000  # items; memory grows with the square, seconds with the cube


@dataclass(frozen=True, slots=True)
class ItemWeights:
    """columns [used] the items that take part, ascending; weights [used, used] float32, diagonal 0."""

    columns: Ints
    weights: Floats


class Ease(CountingModel):
    """EASE on the most taken items.

    Source: Steck, WWW 2019, arXiv:1905.03375.
    """

    name = "ease"
    slow = {"regularisation": (200.0, 50.0, 1_000.0, 3_000.0)}

    def learn(self, task: Task, log: Log, **slow: Any) -> ItemWeights:
        columns = np.sort(np.argsort(-popularity(log), kind="stable")[:MOST])
        x = taken(log)[:, columns]
        gram = np.asarray((x.T @ x).toarray(), dtype=np.float32, order="F")
        gram[np.diag_indices_from(gram)] += slow["regularisation"]
        return ItemWeights(columns, _item_weights(gram))

    def scorer(self, learned: ItemWeights, log: Log, **quick: Any) -> Score:
        return _scores(learned, taken(log))


class RecentEase(Ease):
    """The same weights, over a history in which each step back weighs less."""

    name = "ease-recency"
    quick = {"decay": (0.95, 0.4, 0.6, 0.8, 0.9, 0.98), "unit": (EVENT, BASKET)}

    def fits(self, task: Task, setting: Settings) -> bool:
        return setting["unit"] in units(task.train)

    def scorer(self, learned: ItemWeights, log: Log, **quick: Any) -> Score:
        return _scores(learned, recent(log, quick["decay"], len(log), quick["unit"]))


def _item_weights(gram: Floats) -> Floats:
    """−P / diag P with P the inverse of `gram`, which is overwritten; by float32 Cholesky, for half the work."""
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ArithmeticError("EASE's matrix is not positive definite; raise the regularisation.")
    lower = np.tril(inverse, -1)
    weights = -(lower + lower.T) / np.diag(inverse)
    return np.asarray(weights, dtype=np.float32)


def _scores(learned: ItemWeights, history: sp.csr_matrix) -> Score:
    known = sp.csr_matrix(history[:, learned.columns])

    def score(visitors: Ints) -> Floats:
        scores = np.zeros((len(visitors), history.shape[1]), dtype=np.float32)
        scores[:, learned.columns] = known[visitors] @ learned.weights
        return scores

    return score
