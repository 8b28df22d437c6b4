from dataclasses import replace
from typing import Any

import pytest

from benchmarks.results_store import fingerprint
from benchmarks.splits import split
from benchmarks.task import Task
from tests.benchmarks.worlds import dataset


@pytest.fixture
def task() -> Task:
    return split(dataset([(step % 3, step % 7, step) for step in range(60)], 7), "time")[0]


@pytest.mark.parametrize(
    "change",
    [
        {"title": ["another"] * 7},
        {"text": ["another"] * 7},
        {"attributes": {"colour": [["red"]] * 7}},
        {"has_time": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_items_file_is_another_task(task: Task, change: dict[str, Any]) -> None:
    assert fingerprint(replace(task, **change), 60.0) != fingerprint(task, 60.0)
    assert fingerprint(replace(task), 60.0) == fingerprint(task, 60.0)
