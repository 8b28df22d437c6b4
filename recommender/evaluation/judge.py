"""Score rankers on what visitors did next."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.dataset.sequences import Histories
from recommender.dataset.split import Holdout
from recommender.dataset.vocabulary import Vocabulary
from recommender.evaluation.baselines import Scorer
from recommender.evaluation.metrics import hits, ndcg, recall, top

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
LISTED: Final = 20  # slots that are looked at
CHUNK: Final = 32  # visitors scored at once


def relevant_items(holdout: Holdout, grouped: Histories, items: Vocabulary) -> tuple[Ints, sp.csr_matrix]:
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


def drawn(asked: Ints, relevant: sp.csr_matrix, most: int, seed: int) -> tuple[Ints, sp.csr_matrix]:
    """At most so many of `relevant_items`, by chance: the first ones are the shop's oldest visitors."""
    if len(asked) <= most:
        return asked, relevant
    chosen = np.sort(np.random.default_rng(seed).permutation(len(asked))[:most])
    return asked[chosen], relevant[chosen]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One ranker's lists for the visitors that were asked.

    Attributes:
        every: [n, slots] item rows, best first. new: the same among what each visitor had not taken.
        chance: [n, slots] of each item in `every`, its share of the softmax over all that the ranker scored: how much
            of what the visitor takes next it expects to be this item. True to life only at the right temperature.
    """

    every: Ints
    new: Ints
    chance: Floats


def rank(score: Scorer, asked: Ints, taken: sp.csr_matrix, temperature: NDArray[np.float64] | None = None) -> Ranked:
    """The first `LISTED` items of each visitor in `asked` [n]; `taken` is [n, item rows] what each had taken before.

    Args:
        temperature: [n] of each visitor's softmax, see `evaluation.temperature`; None: 1.
    """
    every, new, chance = [], [], []
    heat = (np.ones(len(asked)) if temperature is None else temperature).astype(np.float32)
    for at in range(0, len(asked), CHUNK):
        scores = score(asked[at : at + CHUNK])
        scores[:, 0] = -np.inf  # padding is no item
        every.append(top(scores, LISTED))
        chance.append(_softmax_at(scores / heat[at : at + CHUNK, None], every[-1]))
        scores[taken[at : at + CHUNK].toarray() > 0] = -np.inf
        new.append(top(scores, LISTED))
    if not every:
        none = np.zeros((0, LISTED), np.int64)
        return Ranked(none, none, none.astype(np.float32))
    return Ranked(np.concatenate(every), np.concatenate(new), np.concatenate(chance))


def _softmax_at(scores: Floats, rows: Ints) -> Floats:
    """[n, items] and [n, slots] → [n, slots]; nothing scored at all is a row of zeros."""
    peak = scores.max(axis=1, keepdims=True)
    weight = np.exp(np.where(np.isfinite(scores), scores - np.where(np.isfinite(peak), peak, 0.0), -np.inf))
    mass = weight.sum(axis=1, keepdims=True)
    return np.asarray(np.take_along_axis(weight, rows, axis=1) / np.maximum(mass, 1e-9), dtype=np.float32)


def measure(ranked: Ranked, relevant: sp.csr_matrix, new: sp.csr_matrix) -> dict[str, Floats]:
    """{"ndcg@10", "recall@20", "new_ndcg@10", "new_recall@20"} → [n], NaN for a visitor with nothing to find.

    Args:
        relevant: [n, item rows] what each did next. new: the part of it that the visitor had not taken before; the
            "new_" metrics rank only what is new to the visitor.
    """
    found = {}
    for prefix, rows, truth in (("", ranked.every, relevant), ("new_", ranked.new, new)):
        count, hit = np.diff(truth.indptr), hits(rows, truth)
        found[f"{prefix}ndcg@10"] = ndcg(hit[:, :10], count)
        found[f"{prefix}recall@20"] = recall(hit, count)
    return found


def split_by_taken(relevant: sp.csr_matrix, taken: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """[n, item rows] what each did next and took before → (what of it is a repeat, what is new)."""
    repeat = sp.csr_matrix(relevant.multiply(taken > 0))
    new = sp.csr_matrix(relevant - repeat)
    for matrix in (repeat, new):
        matrix.eliminate_zeros()
    return repeat, new


def mean(values: Floats) -> float:
    """Over the visitors that had something to find; 0 where none had."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def standard_error(values: Floats) -> float:
    """Of the mean over the visitors that had something to find; 0 for fewer than two.

    Of the difference between two rankers that were asked about the same visitors: `standard_error(ours - other)`.
    """
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else 0.0
