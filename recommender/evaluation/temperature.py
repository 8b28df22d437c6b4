"""The temperature at which a ranker's scores promise what comes: a ranker is learned for the order, not for shares."""

from typing import Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.evaluation.baselines import Scorer
from recommender.evaluation.judge import CHUNK, LISTED
from recommender.evaluation.metrics import hits, top

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TEMPERATURES: Final = np.geomspace(0.1, 100.0, 100)  # tried: 7 % from one to the next
HALVES: Final = 2


def temperatures(score: Scorer, asked: Ints, relevant: sp.csr_matrix) -> Floats:
    """[n] the softmax temperature for each visitor: the likeliest for the other half of the visitors.

    So no promise is measured on what it was fitted to, and still every visitor is measured. 1 where the other half has
    nothing to find.

    Args:
        asked: [n] visitor numbers. relevant: [n, item rows] what each did next.
    """
    found = np.ones(len(asked))
    likelihood = _likelihood(score, asked, relevant)
    half = np.arange(len(asked)) % HALVES
    for each in range(HALVES):
        others = likelihood[half != each].sum(axis=0)
        if others.any():
            found[half == each] = TEMPERATURES[np.argmax(others)]
    return found


def _likelihood(score: Scorer, asked: Ints, relevant: sp.csr_matrix) -> Floats:
    """[n, temperatures] log likelihood of what each did next: each listed item is one outcome, all others are one."""
    found = np.zeros((len(asked), len(TEMPERATURES)))
    count = np.diff(relevant.indptr)
    for at in range(0, len(asked), CHUNK):
        scores = score(asked[at : at + CHUNK])
        scores[:, 0] = -np.inf  # padding is no item
        rows = top(scores, LISTED)
        came = hits(rows, relevant[at : at + CHUNK]) / np.maximum(count[at : at + CHUNK], 1)[:, None]
        for place, of_visitor in enumerate(scores):
            if count[at + place]:
                found[at + place] = _of_one(of_visitor, rows[place], came[place])
    return found


def _of_one(scores: NDArray[np.float32], rows: Ints, came: Floats) -> Floats:
    """[temperatures]. scores: [item rows]. rows: [slots] listed. came: [slots] share of what was taken next."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return np.zeros(len(TEMPERATURES))
    heat = TEMPERATURES[:, None]
    mass = np.exp((known - known.max()) / heat).sum(axis=1)
    listed = np.isfinite(scores[rows])
    promised = np.exp((scores[rows[listed]] - known.max()) / heat) / mass[:, None]  # [temperatures, listed]
    rest = np.maximum(1.0 - promised.sum(axis=1), 1e-9)
    each = came[listed] * np.log(np.maximum(promised, 1e-9))
    return np.asarray(each.sum(axis=1) + (1.0 - came.sum()) * np.log(rest))
