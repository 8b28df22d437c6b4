from dataclasses import replace

import numpy as np
import pytest

from benchmarks.splits import CannotSplit, by_time, leave_one_out, most_asked, split, write
from benchmarks.task import Pairs, read_task
from tests.benchmarks.worlds import dataset, log


def pairs(found: Pairs) -> list[tuple[int, int]]:
    return list(zip(found.visitor.tolist(), found.item.tolist(), strict=True))


def test_time_split_asks_for_the_first_basket_and_for_all_new_items() -> None:
    events = log([(0, 1, 10), (0, 1, 50), (0, 2, 50), (0, 3, 60), (1, 4, 20), (2, 5, 70)], 3, 6, 0)

    found = by_time(events, 40)

    assert found.kept.tolist() == [True, False, False, False, True, False]
    assert pairs(found.right["next"]) == [(0, 1), (0, 2)]
    assert pairs(found.right["new"]) == [(0, 2), (0, 3)]  # visitor 2 has no history, item 1 was taken before


def test_time_split_without_a_cut_holds_out_the_last_tenth() -> None:
    events = log([(0, number, number) for number in range(20)], 1, 20, 0)

    assert by_time(events, None).kept.sum() == 18


def test_leave_one_out_holds_out_the_last_item_that_is_new_and_what_follows_it() -> None:
    events = log([(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 1, 4), (1, 5, 1), (2, 5, 1), (2, 6, 1)], 3, 7, 0)

    found = leave_one_out(events)

    assert pairs(found.right["last"]) == [(0, 3), (2, 6)]
    assert found.kept.tolist() == [True, True, False, False, True, True, False]
    assert found.tied is not None
    assert found.tied.tolist() == [2]


def test_what_is_held_out_is_nowhere_in_the_task(tmp_path) -> None:
    rng = np.random.default_rng(0)
    events = [(int(rng.integers(30)), int(rng.integers(40)), at) for at in range(600)]

    task, truth = write(dataset(events, 40), "time", 0, tmp_path)

    read = read_task(tmp_path / "task")
    assert len(task.train) == 540
    assert int(read.train.at.max()) < 540 <= min(at for _, _, at in events[540:])
    assert int(read.fit.at.max()) < read.fit.now <= int(read.train.at.max())
    assert {question.name for question in read.questions} == set(truth.right) == {"next", "new"}
    assert sorted(path.name for path in (tmp_path / "task").iterdir()) == [
        "asked.npy",
        "items.json",
        "meta.json",
        "train.npz",
        "validation.npz",
    ]


def test_a_shop_without_rebuying_is_asked_for_new_items_only() -> None:
    events = [(number % 10, number, number) for number in range(200)]

    task, _, truth = split(dataset(events, 200), "time")

    assert [question.name for question in task.questions] == ["new"]
    assert np.array_equal(task.asked, np.unique(truth.right["new"].visitor))


def test_visitor_numbers_leave_no_gap_for_those_without_history() -> None:
    events = [(7, number, number) for number in range(18)] + [(3, 18, 18), (7, 19, 19)]

    task, _, truth = split(dataset(events, 20), "time")

    assert task.visitors == 1
    assert pairs(truth.right["new"]) == [(0, 19)]


def test_positions_cannot_be_split_by_time() -> None:
    with pytest.raises(CannotSplit, match="leave-one-out"):
        split(dataset([(0, 0, 0), (0, 1, 1)], 2, has_time=False), "time")


@pytest.mark.parametrize("early", [0, 3])
def test_a_moment_that_holds_nearly_all_events_cannot_be_split_by_time(early: int) -> None:
    events = [(number % 5, number, min(number, early)) for number in range(60)]

    with pytest.raises(CannotSplit, match=f"of the events have the time 1970-01-01T00:00:0{early}, .* leave-one-out"):
        split(dataset(events, 60), "time")


def test_one_event_a_visitor_leaves_nobody_to_ask() -> None:
    with pytest.raises(CannotSplit, match="more than one event"):
        split(dataset([(number, 0, number) for number in range(5)], 1), "leave-one-out")


def test_a_question_without_answers_is_not_asked() -> None:
    events = [(visitor, step % 3, step) for visitor in range(5) for step in range(20)]  # all know all three items

    task, _, _ = split(dataset(events, 3), "time")

    assert [question.name for question in task.questions] == ["next"]


def test_many_visitors_are_drawn_from_and_only_they_are_judged(monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.splits.LEAST_ASKED", 7)
    monkeypatch.setattr("benchmarks.splits.MAX_SCORES", 100)
    events = [(number % 30, number, number) for number in range(600)]

    task, _, truth = split(dataset(events, 600), "time")

    assert most_asked(600) == len(task.asked) == 7
    assert np.array_equal(np.unique(truth.right["new"].visitor), task.asked)


def test_an_item_that_only_held_out_events_name_is_an_answer_that_nobody_can_find() -> None:
    events = [(step % 4, step % 6, step) for step in range(90)] + [
        (step % 4, 90 - step % 5, 90 + step) for step in range(10)
    ]
    data = dataset(events, 91)
    listed = np.zeros(91, dtype=bool)
    listed[50] = True  # in the items file and never taken

    task, _, truth = split(replace(data, is_listed=listed), "time")

    assert task.title == [f"item {number}" for number in range(6)] + ["item 50"]
    assert task.train.item.max() < 6
    assert len(truth.right["new"]) == 10
    assert (truth.right["new"].item >= task.items).all()
    assert [question.name for question in task.questions] == ["new"]  # no unknown item passes for a repeat
