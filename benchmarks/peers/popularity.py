"""The same list for everybody."""

from typing import Any

import numpy as np

from benchmarks.peers.counting import CountingModel
from benchmarks.peers.histories import DAY, Floats, popularity
from benchmarks.peers.lists import Score
from benchmarks.task import Log, Task

MONTH = 30 * DAY


class Popularity(CountingModel):
    """Items by how many visitors took them, all time."""

    name = "popularity"

    def learn(self, task: Task, log: Log, **slow: Any) -> Floats:
        return popularity(log)

    def scorer(self, learned: Floats, log: Log, **quick: Any) -> Score:
        return lambda visitors: np.broadcast_to(learned, (len(visitors), len(learned)))


class PopularityOfTheMonth(Popularity):
    """Items by how many visitors took them in the 30 days before the question; needs time."""

    name = "popularity-month"

    def learn(self, task: Task, log: Log, **slow: Any) -> Floats:
        return popularity(log, log.now - MONTH if task.has_time else None)
