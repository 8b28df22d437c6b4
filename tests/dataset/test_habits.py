import numpy as np
import pytest

from recommender.capture.tables import EventLog
from recommender.dataset.habits import ITEMS, HabitExample, _examples_at, habit_examples
from recommender.dataset.ranking_features import HABIT_INPUTS
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.vocabulary import Vocabulary

DAY, HOUR, PURCHASE, VIEW = 86_400, 3_600, 4, 1
START = 1_700_000_000


def grouped(rows: list[tuple[int, int, int, int]], items: int) -> Histories:
    """rows: (visitor, item, kind, seconds after START)."""
    visitor, item, kind, at = (np.array(column) for column in zip(*rows, strict=True))
    log = EventLog(visitor, item, kind.astype(np.int8), START + at, np.ones(len(rows), np.float32))
    return histories(log, Vocabulary(np.arange(1, items + 1)))


def weekly(visitors: int = 3, weeks: int = 20) -> list[tuple[int, int, int, int]]:
    """Item 1 every week, item 2 once, item 3 only looked at."""
    bought = [(who, 1, PURCHASE, week * 7 * DAY) for who in range(1, visitors + 1) for week in range(weeks)]
    once = [(who, item, kind, HOUR) for who in range(1, visitors + 1) for item, kind in ((2, PURCHASE), (3, VIEW))]
    return bought + once


def column(example: HabitExample, name: str) -> list[float]:
    return example.inputs[:, HABIT_INPUTS.index(name)].tolist()


def test_an_example_holds_what_was_bought_before_and_which_of_it_came_next() -> None:
    examples = habit_examples(grouped(weekly(), 3), 4, None, seed=0)
    assert {tuple(each.again.tolist()) for each in examples} == {(True, False)}  # item 3 was never bought
    first = min(examples, key=lambda each: column(each, "own_count")[0])
    assert column(first, "own_count")[1] == pytest.approx(np.log1p(1))
    assert column(first, "own_interval")[0] == pytest.approx(np.log1p(7), abs=1e-3)


def test_what_comes_later_than_the_next_purchases_is_no_answer() -> None:
    alternating = [(who, 1 + week % 2, PURCHASE, week * 7 * DAY) for who in (1, 2) for week in range(20)]
    examples = habit_examples(grouped(alternating, 2), 3, None, seed=0)
    assert examples
    assert all(each.again.sum() == 1 for each in examples)
    assert all(np.argmax(column(each, "own_last")) == np.argmax(each.again) for each in examples)


def test_an_example_sees_nothing_of_its_future() -> None:
    now, soon = 15 * 7 * DAY, 16 * 7 * DAY
    rows = weekly()
    later = [(who, 2, PURCHASE, soon + hour * HOUR) for who in (1, 2, 3) for hour in range(1, 50)]
    both = [
        list(_examples_at(grouped(each, 3), START + now - 1, 4, None, np.random.default_rng(0)))
        for each in (rows, [row for row in rows if row[3] < soon] + later)
    ]
    assert len(both[0]) == len(both[1]) == 3
    for a, b in zip(*both, strict=True):
        assert (a.inputs == b.inputs).all()
        assert (a.again == b.again).all()


def test_of_a_long_history_the_strongest_items_stay() -> None:
    rows = [(1, item, PURCHASE, item * DAY // 10) for item in range(1, 301)] + weekly(visitors=1)
    rows += [(1, 300, PURCHASE, 20 * 7 * DAY - HOUR)]
    examples = habit_examples(grouped(rows, 300), 301, None, seed=0)
    assert max(len(each.again) for each in examples) == ITEMS


def test_a_shop_in_which_nobody_rebuys_has_no_examples() -> None:
    rows = [(who, 1 + (who + day) % 30, PURCHASE, day * DAY) for who in range(1, 9) for day in range(20)]
    assert habit_examples(grouped(rows, 30), 31, None, seed=0) == []
    assert habit_examples(grouped(rows, 30).where(np.zeros(160, bool)), 31, None, seed=0) == []


def test_events_of_one_moment_have_no_past() -> None:
    assert habit_examples(grouped([(who, 1, PURCHASE, 0) for who in (1, 2, 3)], 1), 2, None, seed=0) == []
