"""The policy's chances: what is logged is how often it happens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.serving.explore import GRID, PRIOR_CLICKS, PRIOR_IMPRESSIONS, exploring_slots, win_chances

counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=6)


@given(free=st.integers(0, 40), length=st.integers(1, 40), share=st.floats(0, 1))
def test_the_expected_share_of_slots_explores(free: int, length: int, share: float) -> None:
    places = list(range(1, min(free, length) + 1))
    slots, chance = exploring_slots(places, length, share)
    assert len(slots) * chance == pytest.approx(min(share * length, len(places)), abs=1e-6)
    assert 0 <= chance <= 1 and slots == sorted(set(slots)) and set(slots) <= set(places)


def test_one_slot_is_in_the_middle_of_the_list() -> None:
    assert exploring_slots(list(range(1, 13)), 12, 0.02) == ([7], pytest.approx(0.24))


@given(seen=counts)
def test_chances_sum_to_one(seen: list[tuple[int, int]]) -> None:
    chances = win_chances([min(pair) for pair in seen], [max(pair) for pair in seen])
    assert chances.sum() == pytest.approx(1) and (chances >= 0).all()


@pytest.mark.parametrize("seen", [[(0, 0), (0, 0)], [(0, 100), (0, 0), (9, 100)], [(3, 40), (0, 5), (1, 60), (2, 9)]])
def test_the_chances_are_those_of_drawing_from_the_posteriors(seen: list[tuple[int, int]]) -> None:
    clicks, impressions = (np.array(column) for column in zip(*seen, strict=True))
    rng, draws = np.random.default_rng(0), 40_000
    rows = []
    for clicked, shown in seen:
        a, b = PRIOR_CLICKS + clicked, PRIOR_IMPRESSIONS + shown - clicked
        mass = GRID ** (a - 1) * (1 - GRID) ** (b - 1)
        rows.append(rng.choice(GRID, size=draws, p=mass / mass.sum()))
    wins = np.bincount(np.argmax(np.stack(rows), axis=0), minlength=len(seen)) / draws  # argmax: the first of equals
    assert win_chances(clicks, impressions) == pytest.approx(wins, abs=0.01)


def test_an_item_that_is_clicked_more_wins_more_often_and_an_unseen_one_more_than_a_dull_one() -> None:
    clicked, unseen, dull = win_chances([20, 0, 0], [100, 0, 300])
    assert clicked > unseen > dull
