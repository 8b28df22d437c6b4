"""Directed transitions: what comes within a few steps after what."""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp

from benchmarks.peers.counting import CountingModel, Settings
from benchmarks.peers.histories import BASKET, EVENT, nearest_items, popularity, recent, steps, units
from benchmarks.peers.lists import Score
from benchmarks.task import Log, Task

STEP_DECAY: Final = 0.6
DAMPING: Final = 10.0  # visitors added to each popularity, so that one chance pair does not lead
FOLLOWERS: Final = 1_000  # of one item


class DirectedTransitions(CountingModel):
    """Counts of "b within a window after a", .6 a step, by √(popularity + 10) of both; of the last steps, decayed."""

    name = "transitions"
    slow = {"window": (3, 5, 10), "unit": (EVENT, BASKET)}
    quick = {"decay": (0.6, 0.8), "last": (5, 10)}

    def fits(self, task: Task, setting: Settings) -> bool:
        return setting["unit"] in units(task.train)

    def learn(self, task: Task, log: Log, **slow: Any) -> tuple[sp.csr_matrix, str]:
        damped = sp.diags_array(1.0 / np.sqrt(popularity(log) + DAMPING))
        inside, ahead = _inside_and_ahead(log, slow["window"], slow["unit"])
        left = sp.csr_matrix(damped @ inside.T)
        return nearest_items(left, sp.csr_matrix(ahead @ damped), FOLLOWERS, with_self=True), slow["unit"]

    def scorer(self, learned: tuple[sp.csr_matrix, str], log: Log, **quick: Any) -> Score:
        followers, unit = learned
        last = recent(log, quick["decay"], quick["last"], unit)
        return lambda visitors: (last[visitors] @ followers).toarray()


def _inside_and_ahead(log: Log, window: int, unit: str) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """[steps, items] CSR of what is in a step, and of what is in the next steps of its visitor, decayed."""
    step = steps(log, unit)
    count = int(step[-1]) + 1 if len(step) else 0
    inside = sp.csr_matrix((np.ones(len(log), np.float32), (step, log.item)), shape=(count, log.items))
    owner = np.zeros(count, dtype=np.int64)
    owner[step] = log.visitor
    rows, columns, values = [], [], []
    for distance in range(1, min(window, count - 1) + 1):
        before = np.flatnonzero(owner[:-distance] == owner[distance:])
        rows.append(before)
        columns.append(before + distance)
        values.append(np.full(len(before), STEP_DECAY ** (distance - 1), dtype=np.float32))
    if not rows:
        return inside, sp.csr_matrix(inside.shape, dtype=np.float32)
    links = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return inside, sp.csr_matrix(links, shape=(count, count)) @ inside
