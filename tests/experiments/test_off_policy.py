"""A world whose answer is known: items earn clicks at fixed rates, rankings show items at fixed chances."""

import numpy as np
import pytest

from recommender.experiments.off_policy import (
    Log,
    Withheld,
    effective_size,
    estimate,
    guessed_rates,
    interval,
)

RATE = np.array([0.02, 0.05, 0.10, 0.30])  # clicks of each item
SERVED = np.array([0.4, 0.3, 0.2, 0.1])
TARGET = np.array([0.1, 0.1, 0.3, 0.5])
TRUE = float(TARGET @ RATE)


def shown(seed: int, target: np.ndarray = TARGET, guess: np.ndarray = RATE, visitors: int = 400) -> Log:
    random = np.random.default_rng(seed)
    visitor = np.repeat(np.arange(visitors), random.integers(1, 12, visitors))
    item = random.choice(4, len(visitor), p=SERVED)
    reward = (random.random(len(visitor)) < RATE[item]).astype(float)
    expected = np.full(len(visitor), float(target @ guess))
    return Log(visitor, reward, SERVED[item], target[item], guess[item], expected)


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_the_mean_over_many_logs_is_the_truth(name: str) -> None:
    found = [estimate(shown(seed)).samples[name].mean for seed in range(300)]
    assert np.mean(found) == pytest.approx(TRUE, rel=0.02)


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_the_error_that_is_told_is_the_one_that_is_made(name: str) -> None:
    samples = [estimate(shown(seed)).samples[name] for seed in range(300)]
    made = np.std([sample.mean for sample in samples])
    told = np.mean([sample.squared_error for sample in samples]) ** 0.5
    assert told == pytest.approx(made, rel=0.15)


def test_a_good_guess_narrows_and_a_wrong_one_does_not_mislead() -> None:
    spread = {}
    for kind, guess in {"right": RATE, "wrong": RATE[::-1].copy()}.items():
        found = [estimate(shown(seed, guess=guess)).samples["doubly_robust"].mean for seed in range(300)]
        assert np.mean(found) == pytest.approx(TRUE, rel=0.02)
        spread[kind] = np.std(found)
    assert spread["right"] < spread["wrong"]


def test_the_served_ranking_itself_is_estimated_as_it_was() -> None:
    found = estimate(shown(1, target=SERVED))
    assert found.samples["ips"].mean == pytest.approx(found.served.mean)
    assert found.effective == pytest.approx(found.served.n)
    assert found.covered == pytest.approx(1.0)
    assert found.gains["ips"].mean == pytest.approx(0.0)
    assert found.withheld is None


def test_a_ranking_that_was_hardly_ever_shown_is_not_readable() -> None:
    log = shown(2, visitors=200)
    rare = Log(
        log.visitor, log.reward, np.where(log.logged < 0.15, 0.001, 0.9), log.target, log.reward * 0, log.reward * 0
    )
    assert estimate(rare, clip=1e9).withheld == Withheld.TOO_FEW


@pytest.mark.parametrize("name", ["ips", "snips", "doubly_robust"])
def test_the_truth_lies_within_the_interval_as_often_as_it_says(name: str) -> None:
    intervals = [interval(estimate(shown(seed)).samples[name]) for seed in range(400)]
    held = [found is not None and found.low <= TRUE <= found.high for found in intervals]
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_clicks_of_what_both_show_are_a_wrong_estimate() -> None:
    """The naive way: look only at slots in which both rankings agree."""
    naive = []
    for seed in range(100):
        log, agree = shown(seed), np.random.default_rng(seed + 1_000)
        both = agree.random(len(log.target)) < log.target
        naive.append(log.reward[both].mean())
    assert abs(np.mean(naive) - TRUE) > 0.15 * TRUE
    assert np.mean([estimate(shown(seed)).samples["ips"].mean for seed in range(100)]) == pytest.approx(TRUE, rel=0.03)


def test_the_gain_over_what_was_served_is_told_with_the_error_that_is_made() -> None:
    gains = [estimate(shown(seed)).gains["doubly_robust"] for seed in range(300)]
    assert np.mean([gain.mean for gain in gains]) == pytest.approx(TRUE / float(SERVED @ RATE) - 1, rel=0.03)
    told = np.mean([gain.squared_error for gain in gains]) ** 0.5
    assert told == pytest.approx(np.std([gain.mean for gain in gains]), rel=0.15)


def test_four_slots_by_hand() -> None:
    log = Log(
        visitor=np.array([1, 1, 2, 2]),
        reward=np.array([1.0, 0.0, 1.0, 0.0]),
        logged=np.array([0.5, 0.5, 0.25, 1.0]),
        target=np.array([1.0, 0.0, 1.0, 1.0]),
        predicted=np.array([0.5, 0.25, 0.5, 0.25]),
        predicted_target=np.array([0.5, 0.5, 0.5, 0.5]),
    )
    found = estimate(log)
    assert found.samples["ips"].mean == pytest.approx((2 + 4) / 4)
    assert found.samples["snips"].mean == pytest.approx((2 + 4) / (2 + 4 + 1))
    assert found.samples["doubly_robust"].mean == pytest.approx((4 * 0.5 + 2 * 0.5 + 4 * 0.5 - 0.25) / 4)
    assert found.served.mean == 0.5
    assert found.covered == pytest.approx(7 / 4)
    assert found.effective == pytest.approx(2 / 4 * 49 / 21)
    assert found.clipped == 0.0
    clipped = estimate(log, clip=2.0)
    assert clipped.samples["ips"].mean == pytest.approx((2 + 2) / 4)
    assert clipped.clipped == 0.25
    assert clipped.covered == found.covered, "clipping hides no lack of support"


def test_what_the_log_could_never_show_is_not_told() -> None:
    log = shown(3, target=np.array([1.0, 0.0, 0.0, 0.0]))
    never = Log(log.visitor, log.reward, log.logged, log.target * 0.5, log.predicted, log.predicted_target)
    assert estimate(log).withheld is None
    assert estimate(never).withheld == Withheld.NOT_COVERED
    empty = np.zeros(0)
    assert estimate(Log(empty.astype(int), *[empty] * 5)).withheld == Withheld.NO_LISTS


def test_a_guess_never_looks_at_its_own_visitor() -> None:
    visitor, item = np.array([2, 2, 3, 3]), np.array([0, 0, 0, 1])
    reward = np.array([1.0, 1.0, 0.0, 1.0])
    guesses = guessed_rates(visitor, item, reward, np.array([2, 3, 2]), np.array([0, 0, 2]))
    assert guesses[0] == pytest.approx((0 + 30 * 0.5) / 31), "from visitor 3 alone"
    assert guesses[1] == pytest.approx(1.0), "from visitor 2 alone"
    assert guesses[2] == pytest.approx(0.5), "nobody saw it: the mean"


def test_effective_size_counts_equal_weights() -> None:
    assert effective_size(np.array([3.0, 3.0, 3.0])) == pytest.approx(3.0)
    assert effective_size(np.array([9.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert effective_size(np.zeros(3)) == 0.0


@pytest.mark.parametrize(("logged", "target"), [(0.0, 0.5), (1.5, 0.5), (0.5, -0.1), (0.5, 1.1)])
def test_a_propensity_is_a_chance(logged: float, target: float) -> None:
    with pytest.raises(ValueError, match="Propensities"):
        Log(*(np.array([value]) for value in (0, 1.0, logged, target, 0.0, 0.0)))
