"""Peers for shops where people rebuy: what a visitor takes again, alone or together with similar visitors."""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from benchmarks.peers.counting import CountingModel
from benchmarks.peers.histories import BASKET, DAY, Floats, matrix, steps_from_end
from benchmarks.peers.lists import CELLS, Score
from benchmarks.task import Ints, Log, Task

MAX_NEIGHBOURHOOD: Final = 20_000  # visitors among whom neighbours are looked for


class OwnHistory(CountingModel):
    """The visitor's own events, decayed over days, or over steps where there is no time."""

    name = "own-history"
    slow = {"decay": (7.0, 15.0, 30.0, 60.0, 90.0, 120.0, 180.0, 365.0)}

    def learn(self, task: Task, log: Log, **slow: Any) -> sp.csr_matrix:
        age = (log.now - log.at) / DAY if task.has_time and task.split == "time" else steps_from_end(log, BASKET)
        return matrix(log, np.exp(-age / slow["decay"]))

    def scorer(self, learned: sp.csr_matrix, log: Log, **quick: Any) -> Score:
        return lambda visitors: learned[visitors].toarray()


class TifuKnn(CountingModel):
    """Personal item frequency with decay in and between groups of baskets, mixed with that of the nearest visitors.

    Source: Hu, He, Gao and Zhang, SIGIR 2020, arXiv:2006.00556.
    """

    name = "tifu-knn"
    slow = {"decays": ((7, 0.9, 0.7), (7, 0.95, 0.9), (11, 0.98, 0.9), (3, 0.9, 0.7), (1, 0.97, 1.0))}
    quick = {"neighbours": (100, 300), "own_share": (0.5, 0.7, 0.9), "distance": ("euclidean", "cosine")}

    def learn(self, task: Task, log: Log, **slow: Any) -> sp.csr_matrix:
        groups, within, between = slow["decays"]
        return personal_frequency(log, groups, within, between)

    def scorer(self, learned: sp.csr_matrix, log: Log, **quick: Any) -> Score:
        crowd = sp.csr_matrix(learned[_crowd(learned)])
        vectors, others = learned, crowd
        if quick["distance"] == "cosine":
            vectors, others = _unit(learned), _unit(crowd)
        lengths = np.asarray(others.multiply(others).sum(axis=1), dtype=np.float32).ravel()

        def score(visitors: Ints) -> Floats:
            near = _nearest(vectors[visitors], others, lengths, quick["neighbours"])
            own = quick["own_share"] * learned[visitors]
            return np.asarray((own + (1.0 - quick["own_share"]) * (near @ crowd)).toarray(), dtype=np.float32)

        return score


def personal_frequency(log: Log, groups: int, within: float, between: float) -> sp.csr_matrix:
    """[visitors, items] CSR: a visitor's baskets in `groups` even groups; a basket weighs within ** (baskets behind it
    in its group) · between ** (groups behind it), averaged over a group's baskets and over the groups.
    """
    back = steps_from_end(log, BASKET)
    baskets = np.zeros(log.visitors, dtype=np.int64)
    np.maximum.at(baskets, log.visitor, back + 1)
    size = -(-baskets // groups)[log.visitor]  # baskets a group
    used = -(-baskets[log.visitor] // size)
    weight = within ** (back % size) * between ** (back // size) / (size * used)
    pair = np.stack([log.visitor, back, log.item])  # an item counts once a basket
    first = np.zeros(len(log), dtype=bool)
    first[np.unique(pair, axis=1, return_index=True)[1]] = True
    return matrix(log, np.where(first, weight, 0.0))


def _crowd(vectors: sp.csr_matrix) -> Ints:
    """The visitors with the longest histories, at most MAX_NEIGHBOURHOOD."""
    busiest = np.argsort(-np.diff(vectors.indptr), kind="stable")[:MAX_NEIGHBOURHOOD]
    return np.sort(busiest)


def _unit(vectors: sp.csr_matrix) -> sp.csr_matrix:
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags_array((1.0 / np.maximum(length, 1e-12)).astype(np.float32)) @ vectors)


def _nearest(vectors: sp.csr_matrix, others: sp.csr_matrix, lengths: Floats, neighbours: int) -> sp.csr_matrix:
    """[n, others] CSR: 1 / neighbours where another is among the nearest by squared euclidean distance.

    Whoever has nothing in common is no neighbour, and neither is the visitor itself, which its own share weighs.
    """
    chunk = max(1, CELLS // others.shape[0])
    parts = []
    for start in range(0, vectors.shape[0], chunk):
        block = vectors[start : start + chunk]
        common = np.asarray((block @ others.T).toarray(), dtype=np.float32)
        own = np.asarray(block.multiply(block).sum(axis=1), dtype=np.float32).ravel()
        distance = np.where(common > 0, own[:, None] + lengths - 2 * common, np.inf)
        distance[distance < 1e-6 * own[:, None]] = np.inf
        k = min(neighbours, distance.shape[1])
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        row, column = np.repeat(np.arange(len(near)), k), near.ravel()
        kept = np.isfinite(distance[row, column])
        cells = (np.full(kept.sum(), 1.0 / k, dtype=np.float32), (row[kept], column[kept]))
        parts.append(sp.csr_matrix(cells, shape=distance.shape))
    return sp.vstack(parts, format="csr")
