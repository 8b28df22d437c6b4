"""Item-kNN: items that the same visitors took."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.peers.counting import CountingModel, Settings
from benchmarks.peers.histories import BASKET, EVENT, nearest_items, recent, taken, units
from benchmarks.peers.lists import Score
from benchmarks.task import Log, Task


class ItemKnn(CountingModel):
    """Cosine of the items' visitor sets, the nearest of each item kept, summed over the whole history.

    `damping` visitors are added to each item's, so that one visitor makes no two rare items alike; 0 is the cosine.
    """

    name = "item-knn"
    slow = {"damping": (0.0, 10.0), "neighbours": (100, 300, 50)}

    def learn(self, task: Task, log: Log, **slow: Any) -> sp.csr_matrix:
        before = taken(log)
        counts = np.asarray(before.sum(axis=0)).ravel()
        norm = np.sqrt(np.maximum(counts + slow["damping"], 1.0)).astype(np.float32)
        unit = sp.csr_matrix(before @ sp.diags_array(1.0 / norm))
        return nearest_items(sp.csr_matrix(unit.T), unit, slow["neighbours"])

    def scorer(self, learned: sp.csr_matrix, log: Log, **quick: Any) -> Score:
        before = taken(log)
        return lambda visitors: (before[visitors] @ learned).toarray()


class RecentItemKnn(ItemKnn):
    """The same similarities over the last five steps, decayed."""

    name = "item-knn-last-5"
    quick = {"decay": (0.6, 0.8), "unit": (EVENT, BASKET)}

    def fits(self, task: Task, setting: Settings) -> bool:
        return setting["unit"] in units(task.train)

    def scorer(self, learned: sp.csr_matrix, log: Log, **quick: Any) -> Score:
        last = recent(log, quick["decay"], 5, quick["unit"])
        return lambda visitors: (last[visitors] @ learned).toarray()
