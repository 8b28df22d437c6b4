"""Tiny data sets of the benchmark with a known right answer."""

from collections.abc import Sequence

import numpy as np

from benchmarks.datasets import Dataset
from benchmarks.task import Log
from recommender.capture.tables import PURCHASE, EventLog, ItemTable

Event = tuple[int, int, int]  # visitor, item, at


def dataset(events: Sequence[Event], items: int, *, has_time: bool = True) -> Dataset:
    """Events in time order, items 0..items - 1 named "item 0" and so on."""
    columns = np.array(sorted(events, key=lambda event: event[2]), dtype=np.int64)
    kind = np.full(len(columns), PURCHASE, dtype=np.int8)
    log = EventLog(columns[:, 0], columns[:, 1], kind, columns[:, 2], np.ones(len(columns), np.float32))
    titles = [f"item {number}" for number in range(items)]
    return Dataset("tiny", log, ItemTable(np.arange(items), titles, titles), {}, has_time)


def log(events: Sequence[Event], visitors: int, items: int, now: int) -> Log:
    """Events that are sorted by (visitor, at) already."""
    columns = np.array(events, dtype=np.int64).reshape(-1, 3)
    kind = np.full(len(columns), PURCHASE, dtype=np.int8)
    return Log(columns[:, 0], columns[:, 1], columns[:, 2], kind, visitors, items, now)
