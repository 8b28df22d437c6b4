"""How a peer spends its budget."""

from typing import Any

import numpy as np
import pytest

from benchmarks.peers import tuning
from benchmarks.peers.tuning import Validation, learn, search
from benchmarks.splits import split
from benchmarks.task import Ints, Log, Task
from tests.benchmarks.worlds import dataset


class Shift:
    """Answers with the item `shift` after the visitor's last one; each epoch moves on by one."""

    def __init__(self, log: Log, shift: int = 0) -> None:
        self._log, self.shift = log, shift

    def epoch(self) -> float:
        self.shift += 1
        return 0.0

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> Any:
        lists = np.full((len(visitors), k), -1, dtype=np.int32)
        lists[:, 0] = (self._log.item[self._log.offsets[visitors + 1] - 1] + self.shift) % self._log.items
        return lists


@pytest.fixture(scope="module")
def threes() -> Task:
    """40 visitors of five events; every next item is three places on."""
    events = [(visitor, (visitor + 3 * step) % 50, step) for visitor in range(40) for step in range(5)]
    return split(dataset(events, 50), "leave-one-out")[0]


def test_validation_is_one_for_the_right_answer_and_nought_for_a_wrong_one(threes: Task) -> None:
    validation = Validation(threes)

    assert validation.ndcg(Shift(threes.fit, 3)) == 1.0
    assert validation.ndcg(Shift(threes.fit, 2)) == 0.0


def test_the_best_of_a_grid_is_made_again_from_all_of_train(threes: Task) -> None:
    made: list[Log] = []

    def make(log: Log, settings: dict[str, Any]) -> Shift:
        made.append(log)
        return Shift(log, **settings)

    ranker, chosen = search(make, [{"shift": 2}, {"shift": 3}, {"shift": 4}], threes, 60.0)

    assert ranker.shift == 3
    assert chosen["shift"] == 3
    assert [len(log) for log in made] == [len(threes.fit)] * 3 + [len(threes.train)]


def test_a_grid_without_budget_tries_its_first_entry(threes: Task) -> None:
    _, chosen = search(lambda log, settings: Shift(log, **settings), [{"shift": 2}, {"shift": 3}], threes, 0.0)

    assert chosen["shift"] == 2


def test_epochs_stop_where_validation_was_best(threes: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "LOOK_SHARE", 1e9)  # look after every epoch

    learner, chosen = learn(Shift, threes, 60.0)

    assert learner.shift == 3
    assert chosen["converged"]
    assert [look["ndcg"] for look in chosen["validation"]] == [0, 0, 1, 0, 0, 0, 0, 0]


def test_epochs_without_budget_are_one(threes: Task) -> None:
    learner, chosen = learn(Shift, threes, 0.0)

    assert learner.shift == 1
    assert not chosen["converged"]
