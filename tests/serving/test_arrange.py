"""The order of a list: limits, lifts and diversity hold in every beginning of it."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.serving.arrange import Lift, Limit, arrange, relevance_of

FALLING = np.linspace(1, 0, 8, dtype=np.float32)
REPEATS = np.array([True] * 4 + [False] * 4)

sizes = st.integers(0, 40)
shares = st.floats(0, 1)


def flags(seed: int, n: int, share: float) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < share


def unit_vectors(seed: int, n: int, dim: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0.5, [0, 4, 1, 5, 2, 6, 3, 7]),
        (0.25, [0, 4, 5, 6, 1, 7, 2, 3]),
        (0.0, [4, 5, 6, 7, 0, 1, 2, 3]),
    ],
)
def test_repeats_keep_to_their_share_of_every_beginning(share: float, expected: list[int]) -> None:
    assert arrange(FALLING, 8, limits=[Limit(REPEATS, share)]).rows == expected


@given(n=sizes, slots=sizes, seed=st.integers(0, 99), share=shares, diversity=shares)
def test_every_candidate_comes_once(n: int, slots: int, seed: int, share: float, diversity: float) -> None:
    relevance = np.random.default_rng(seed).random(n).astype(np.float32)
    found = arrange(
        relevance,
        slots,
        vectors=unit_vectors(seed, n),
        diversity=diversity,
        limits=[Limit(flags(seed, n, 0.5), share)],
        lifts=[Lift(flags(seed + 1, n, 0.3), share, rule=7)],
    )
    assert sorted(found.rows) == list(range(n))
    assert set(found.lifted) <= set(range(min(slots, n)))


@given(n=sizes, slots=sizes, seed=st.integers(0, 99))
def test_without_wishes_the_most_relevant_come_first(n: int, slots: int, seed: int) -> None:
    relevance = np.random.default_rng(seed).integers(0, 5, n).astype(np.float32)
    assert arrange(relevance, slots).rows == np.argsort(-relevance, kind="stable").tolist()


@given(n=sizes, seed=st.integers(0, 99), share=shares)
def test_a_limit_holds_in_every_beginning_while_there_is_anything_else(n: int, seed: int, share: float) -> None:
    held = flags(seed, n, 0.6)
    rows = arrange(np.linspace(1, 0, n, dtype=np.float32), n, limits=[Limit(held, share)]).rows
    others = int((~held).sum())
    for slots in range(1, n + 1):
        taken = held[rows[:slots]]
        if (~taken).sum() < others:
            assert taken.sum() <= math.ceil(share * slots - 1e-9)


@given(n=sizes, seed=st.integers(0, 99), share=shares)
def test_a_lift_holds_in_every_beginning_while_there_are_any(n: int, seed: int, share: float) -> None:
    wanted = flags(seed, n, 0.4)
    found = arrange(np.linspace(1, 0, n, dtype=np.float32), n, lifts=[Lift(wanted, share, rule=3)])
    for slots in range(1, n + 1):
        assert wanted[found.rows[:slots]].sum() >= min(math.floor(share * slots + 1e-9), wanted.sum())
    assert all(wanted[found.rows[place]] for place in found.lifted)
    assert set(found.lifted.values()) <= {3}


def test_a_lift_takes_the_best_of_its_own_and_says_where() -> None:
    wanted = np.array([False] * 5 + [True, True, False])
    found = arrange(FALLING, 4, lifts=[Lift(wanted, 0.5, rule=9)])
    assert found.rows[:4] == [0, 5, 1, 6]
    assert found.lifted == {1: 9, 3: 9}


def test_where_not_all_limits_can_hold_the_first_is_given_up() -> None:
    repeats, buried = np.array([True, True, False, False]), np.array([False, False, True, True])
    found = arrange(FALLING[:4], 4, limits=[Limit(repeats, 0.0), Limit(buried, 0.0)])
    assert found.rows == [0, 1, 2, 3]


def test_diversity_holds_back_what_is_like_what_came_before() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    relevance = np.array([1.0, 0.9, 0.8], dtype=np.float32)
    assert arrange(relevance, 3, vectors=vectors, diversity=0.0).rows == [0, 1, 2]
    assert arrange(relevance, 3, vectors=vectors, diversity=0.5).rows == [0, 2, 1]


@given(n=st.integers(2, 30), seed=st.integers(0, 99), diversity=shares)
def test_each_pick_has_the_highest_marginal_relevance(n: int, seed: int, diversity: float) -> None:
    vectors = unit_vectors(seed, n)
    relevance = np.random.default_rng(seed).random(n)
    rows = arrange(relevance.astype(np.float32), n, vectors=vectors, diversity=diversity).rows
    for place in range(1, n):
        before, after = rows[:place], rows[place:]
        closest = np.maximum((vectors[after] @ vectors[before].T).max(axis=1), 0)
        worth = (1 - diversity) * relevance[after] - diversity * closest
        assert worth[0] >= worth.max() - 1e-5


def test_relevance_goes_from_one_to_zero_over_five_lists() -> None:
    relevance = relevance_of(np.linspace(50, -50, 101, dtype=np.float32), 4)
    assert (relevance[0], relevance[19]) == pytest.approx((1.0, 0.0), abs=1e-6)
    assert (np.diff(relevance) < 0).all()
    assert relevance_of(np.zeros(0, np.float32), 4).shape == (0,)
    assert np.isfinite(relevance_of(np.ones(3, np.float32), 4)).all()


def test_three_hundred_candidates_take_less_than_a_millisecond() -> None:
    n, vectors = 300, unit_vectors(0, 300, dim=192)
    scores = np.sort(np.random.default_rng(0).random(n).astype(np.float32))[::-1]
    wishes = {
        "limits": [Limit(flags(1, n, 0.3), 0.5), Limit(flags(2, n, 0.1), 0.0)],
        "lifts": [Lift(flags(3, n, 0.1), 0.25, rule=1)],
    }
    took = []
    for _ in range(50):
        began = time.perf_counter()
        arrange(relevance_of(scores, 16), 16, vectors=vectors, diversity=0.3, **wishes)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.001  # the machine may be busy: the quickest of fifty
