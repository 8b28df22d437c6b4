import numpy as np
import pytest

from recommender.experiments.guards import MISMATCH_P, Wait, sample_ratio_p, still_to_decide, still_to_run
from recommender.experiments.lift import Sample, difference


@pytest.mark.parametrize(("seen", "p"), [([1_000, 1_200], 2.0e-5), ([100_000, 101_000], 0.0257)])
def test_golden_sample_ratio(seen: list[int], p: float) -> None:
    assert sample_ratio_p(seen, [1, 1]) == pytest.approx(p, rel=5e-3)


def test_weights_are_part_of_what_is_expected() -> None:
    assert sample_ratio_p([3_000, 1_000, 1_000], [3, 1, 1]) == 1.0
    assert sample_ratio_p([3_000, 1_000, 1_000], [1, 1, 1]) < MISMATCH_P


@pytest.mark.parametrize("seen", [[], [5], [0, 0]])
def test_without_two_arms_nothing_is_uneven(seen: list[int]) -> None:
    assert sample_ratio_p(seen, [1] * len(seen)) == 1.0


def test_a_young_experiment_waits_for_its_week() -> None:
    wait = still_to_run(2.5, 7, [5_000, 5_100])
    assert wait is not None
    assert (wait.days, wait.visitors) == (5, 0)


def test_few_visitors_take_as_long_as_their_pace_says() -> None:
    wait = still_to_run(10, 7, [40, 55])
    assert wait is not None
    assert (wait.days, wait.visitors) == (15, 60)


def test_nobody_knows_how_long_before_the_first_visitor() -> None:
    wait = still_to_run(1, 7, [0, 0])
    assert wait is not None
    assert wait.days is None


def test_a_run_of_a_week_with_enough_visitors_is_ready() -> None:
    assert still_to_run(7, 7, [100, 100]) is None


@pytest.mark.parametrize(("n", "spread", "wanted"), [(1_000, 1.0, 0.05), (200, 3.0, 0.1), (50_000, 1.0, 0.02)])
def test_a_lift_that_is_there_shows_in_four_of_five_experiments_by_then(n: int, spread: float, wanted: float) -> None:
    lift = difference(Sample(1.0, spread**2, n), Sample(1.02, spread**2, n))
    assert lift is not None
    wait = still_to_decide(lift, wanted, 10, [n, n])
    then, rng = n + wait.visitors, np.random.default_rng(0)
    means = rng.normal([1.0, 1.0 + wanted], spread / np.sqrt(then), (2_000, 2))
    found = [difference(*(Sample(float(mean), spread**2, then) for mean in pair)) for pair in means]
    assert np.mean([each is not None and each.is_above_zero for each in found]) == pytest.approx(0.8, abs=0.03)
    assert wait.days == pytest.approx(10 * wait.visitors / n, abs=1)


def test_a_lift_that_would_have_shown_is_not_waited_for() -> None:
    lift = difference(Sample(1.0, 1.0, 100_000), Sample(1.0, 1.0, 100_000))
    assert lift is not None
    assert still_to_decide(lift, 0.05, 10, [100_000, 100_000]) == Wait(0, 0)
