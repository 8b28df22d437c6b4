"""A world whose answer is known: items earn clicks at fixed rates, rankings show items at fixed chances."""

import numpy as np
import pytest

from recommender.experiments.off_policy import Log, effective_size, estimate

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
    assert found.is_readable


def test_a_ranking_that_was_hardly_ever_shown_is_not_readable() -> None:
    log = shown(2, visitors=200)
    rare = Log(
        log.visitor, log.reward, np.where(log.logged < 0.15, 0.001, 0.9), log.target, log.reward * 0, log.reward * 0
    )
    assert not estimate(rare, clip=1e9).is_readable


def test_effective_size_counts_equal_weights() -> None:
    assert effective_size(np.array([3.0, 3.0, 3.0])) == pytest.approx(3.0)
    assert effective_size(np.array([9.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert effective_size(np.zeros(3)) == 0.0


@pytest.mark.parametrize(("logged", "target"), [(0.0, 0.5), (1.5, 0.5), (0.5, -0.1), (0.5, 1.1)])
def test_a_propensity_is_a_chance(logged: float, target: float) -> None:
    with pytest.raises(ValueError, match="Propensities"):
        Log(*(np.array([value]) for value in (0, 1.0, logged, target, 0.0, 0.0)))
