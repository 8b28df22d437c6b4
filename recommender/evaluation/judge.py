"""Score rankers on what visitors did next."""

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.dataset.sequences import Histories
from recommender.dataset.split import Holdout
from recommender.dataset.vocabulary import Vocabulary
from recommender.evaluation.baselines import Scorer
from recommender.evaluation.metrics import hits, ndcg, recall, top

Floats = NDArray[np.float32]
METRICS = ("ndcg@10", "recall@20", "new_ndcg@10", "new_recall@20")
CHUNK = 128  # visitors scored at once


def relevant_items(holdout: Holdout, grouped: Histories, items: Vocabulary) -> tuple[NDArray[np.int64], sp.csr_matrix]:
    """(visitor numbers [n], [n, item rows] CSR of 1 where the visitor took the item): who is asked, what is right.

    Items outside the vocabulary cannot be found by anybody and do not count.
    """
    number = np.searchsorted(grouped.visitor, holdout.visitor)
    number = np.minimum(number, max(len(grouped.visitor) - 1, 0))
    row = items.rows(holdout.item)
    known = (row > 0) & (grouped.visitor[number] == holdout.visitor) if len(grouped.visitor) else np.zeros(0, bool)
    number, row = number[known], row[known]
    asked, place = np.unique(number, return_inverse=True)
    matrix = sp.csr_matrix((np.ones(len(row), np.float32), (place, row)), shape=(len(asked), len(items)))
    return asked, matrix


def evaluate(
    scorers: Mapping[str, Scorer], asked: NDArray[np.int64], relevant: sp.csr_matrix, taken: sp.csr_matrix
) -> dict[str, dict[str, Floats]]:
    """name → {"ndcg@10", "recall@20", "new_ndcg@10", "new_recall@20"} → [n], NaN for a visitor with nothing to find.

    Args:
        asked: [n] visitor numbers. relevant: [n, item rows] what each did next.
        taken: [all visitors, item rows] what each took before. The "new_" metrics rank only the rest, and count only
            visitors who next took something new to them.
    """
    return {name: _evaluate_one(score, asked, relevant, taken) for name, score in scorers.items()}


def _evaluate_one(
    score: Scorer, asked: NDArray[np.int64], relevant: sp.csr_matrix, taken: sp.csr_matrix
) -> dict[str, Floats]:
    columns: dict[str, list[Floats]] = {name: [] for name in METRICS}
    for at in range(0, len(asked), CHUNK):
        numbers, right = asked[at : at + CHUNK], relevant[at : at + CHUNK]
        scores = score(numbers)
        scores[:, 0] = -np.inf  # padding is no item
        before = taken[numbers].toarray() > 0
        new = sp.csr_matrix(right.multiply(~before))
        for prefix, truth in (("", right), ("new_", new)):
            if prefix:
                scores[before] = -np.inf
            count = np.asarray((truth > 0).sum(axis=1)).ravel()
            hit = hits(top(scores, 20), truth)
            columns[f"{prefix}ndcg@10"].append(ndcg(hit[:, :10], count))
            columns[f"{prefix}recall@20"].append(recall(hit, count))
    return {name: np.concatenate(values) if values else np.zeros(0, np.float32) for name, values in columns.items()}


def mean(values: Floats) -> float:
    """Over the visitors that had something to find; 0 where none had."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def standard_error(ours: Floats, other: Floats) -> float:
    """Of the mean difference between two rankers that were asked about the same visitors; 0 for fewer than two."""
    difference = ours - other
    known = difference[~np.isnan(difference)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else 0.0
