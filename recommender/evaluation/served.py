"""The ranker's order of a request: candidates by cosine, the popular and the visitor's own, scored by the ranker.

Judging and fitting go through the same candidates and features as a request. Two things that a request does besides are
left out: what is unavailable is not dropped, and repeats are not held to REPEAT_SHARE.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.dataset.ranking_features import rank_candidates, ranking_features
from recommender.evaluation.baselines import Scorer

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ServedLists:
    """One version's vectors and one moment's histories.

    Attributes:
        items: [item rows, dim] fused vectors, row 0 is padding. visitors: [visitors, dim] visitor vectors.
        popularity: [item rows]. own_long, own_short: [visitors, item rows] CSR of decayed own purchases.
        nearest, popular: how many candidates each source gives.
    """

    items: Floats
    visitors: Floats
    popularity: Floats
    own_long: sp.csr_matrix
    own_short: sp.csr_matrix
    nearest: int = 300
    popular: int = 50

    def features(self, numbers: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], Floats]]:
        """For each visitor: (candidate item rows [n], ranking features [n, features])."""
        similarity = self.visitors[numbers] @ self.items.T  # [numbers, item rows]
        similarity[:, 0] = -np.inf
        k = min(self.nearest, similarity.shape[1] - 1)
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        popular = np.argsort(-self.popularity[1:], kind="stable")[: self.popular] + 1
        return [
            self._features_of(number, similarity[place], np.union1d(near[place], popular))
            for place, number in enumerate(numbers)
        ]

    def _features_of(
        self, number: np.int64, similarity: Floats, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], Floats]:
        own_long, own_short = self.own_long[number], self.own_short[number]
        rows = np.union1d(rows, own_long.indices)
        columns = (own_long.toarray()[0, rows], own_short.toarray()[0, rows])
        return rows, ranking_features(similarity[rows], self.popularity[rows], *columns)

    def scorer(self, ranker: dict[str, Any]) -> Scorer:
        """Scores of every item for the judge: the ranker's for candidates, minus infinity for the rest."""

        def score(numbers: NDArray[np.int64]) -> Floats:
            scores = np.full((len(numbers), len(self.items)), -np.inf, dtype=np.float32)
            for place, (rows, features) in enumerate(self.features(numbers)):
                scores[place, rows] = rank_candidates(features, ranker)
            return scores

        return score
