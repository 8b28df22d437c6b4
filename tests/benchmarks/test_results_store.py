from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results_store
from benchmarks.results_store import Place, fingerprint, read_result, write_failure
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


def test_a_result_says_when_it_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is finished is kept: a later report must not call it new."""
    monkeypatch.setattr(results_store, "RESULTS", tmp_path)
    place = Place("shop", "time", "ours")
    write_failure(place, "mark", "why")
    result = read_result(place, "mark")
    assert result is not None and date.fromisoformat(result["measured"]) <= datetime.now(UTC).date()
