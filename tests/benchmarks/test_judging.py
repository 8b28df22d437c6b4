from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from benchmarks.judging import judge, random_cold
from benchmarks.report import cold_lines
from benchmarks.splits import Truth, split
from benchmarks.task import Pairs, Task
from tests.benchmarks.worlds import dataset

LISTED: Final = 60
COLD: Final = 30  # the items from here on are in the items file and nobody took them


@pytest.fixture
def task() -> Task:
    """Two visitors, items 0 to 29 taken, items 30 to 59 listed only."""
    events = [(step % 2, step % COLD, step) for step in range(200)]
    task = split(replace(dataset(events, LISTED), is_listed=np.ones(LISTED, dtype=bool)), "time")[0]
    return replace(task, n=20, asked=np.arange(2))


def lists(task: Task, first: list[int]) -> np.ndarray:
    """Both visitors get `first`, and nothing behind it."""
    found = np.full((2, task.n), -1, dtype=np.int32)
    found[:, : len(first)] = first
    return found


def test_random_cold_items_find_what_their_slots_hold(task: Task) -> None:
    cold = Pairs(np.array([0, 0, 1]), np.array([30, 31, 59]))

    # 6 slots of 30 cold items: each of the answers is there with chance 6 / 30, wherever the slots are.
    assert random_cold(lists(task, [0, 30, 31, 32, 1, 33, 34, 35]), task, cold) == pytest.approx(0.2)
    assert random_cold(lists(task, [0, 1, 2]), task, cold) == 0


def test_unknown_answers_count_in_recall_and_are_never_found(task: Task) -> None:
    # With a stride of 60 items, visitor 0's item 60 would be visitor 1's item 0.
    right = Pairs(np.array([0, 0, 1]), np.array([30, LISTED, 59]))

    metrics = judge(task, Truth({"new": right}), "new", lists(task, [0, 30])).metrics

    assert metrics["recall@10"] == pytest.approx((0.5 + 0) / 2)
    groups = metrics["recall@20_by_popularity"]
    assert {name: group["pairs"] for name, group in groups.items()} == {"cold": 2, "tail": 0, "head": 0, "unknown": 1}
    assert groups["cold"]["recall@20"] == 0.5
    assert groups["unknown"]["recall@20"] == 0
    assert metrics["random_cold@20"] == pytest.approx(1 / COLD, abs=1e-6)


def test_the_report_says_what_a_cold_figure_is_worth() -> None:
    ours = {"recall@20_by_popularity": {"cold": {"pairs": 2_528, "recall@20": 0.0783}}, "random_cold@20": 0.0395}
    untaken = {"items": 142, "answers": 141, "unknown_answers": 3}

    lines = cold_lines({"items": 12_101, "untaken": untaken, "models": {"ours": ours}})

    assert lines == [
        "cold items: nobody took 142 of 12,101 items in train; 141 of them are answers",
        "unknown items: 3 answers are in neither the items file nor train, so no model can find them",
        "cold items: ours finds 7.83% of the 2,528 cold pairs in its first 20; "
        "random cold items in the same slots would find 3.95%",
    ]
    assert cold_lines({"items": 5, "models": {}}) == []
