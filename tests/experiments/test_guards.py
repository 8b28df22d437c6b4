import pytest

from recommender.experiments.guards import MISMATCH_P, sample_ratio_p, still_to_decide, still_to_run
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


def test_a_wide_interval_needs_the_square_of_its_width() -> None:
    """1.96 + .84 = 2.8 standard errors must fit into the wanted lift: so many visitors, by the textbook's formula."""
    n, wanted = 1_000, 0.05
    lift = difference(Sample(1.0, 1.0, n), Sample(1.02, 1.0, n))
    assert lift is not None
    wait = still_to_decide(lift, wanted, 10, [n, n])
    textbook = 2 * (1.9600 + 0.8416) ** 2 / wanted**2
    assert n + wait.visitors == pytest.approx(textbook, rel=0.002)
    assert wait.days == pytest.approx(10 * wait.visitors / n, abs=1)
