"""Golden values, and what must hold of thousands of experiments in which nothing differs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.experiments.lift import (
    TIGHTEST_AT,
    Lift,
    Sample,
    difference,
    paired_lift,
    per_visitor,
    relative_lift,
    without_history,
)


def of_sums(total: float, squares: float, n: int) -> Sample:
    return Sample(total / n, (squares - total**2 / n) / (n - 1), n)


def of_share(successes: int, n: int) -> Sample:
    """With the binomial's variance."""
    share = successes / n
    return Sample(share, share * (1 - share), n)


CONTROL = of_sums(1396.87, 52377.9767, 3407)
TREATED = of_sums(2422.7, 134698.29, 3461)


def rounded(lift: Lift | None) -> tuple[float, ...]:
    assert lift is not None
    return tuple(round(value, 5) for value in (lift.estimate, lift.low, lift.high, lift.p))


def test_golden_relative() -> None:
    assert rounded(relative_lift(CONTROL, TREATED)) == pytest.approx((0.70732, -0.03526, 1.44989, 0.06191), abs=5e-5)


def test_golden_absolute() -> None:
    assert rounded(difference(CONTROL, TREATED)) == pytest.approx((0.29, 0.04538, 0.53462, 0.02016), abs=5e-5)


def test_golden_proportions() -> None:
    found = relative_lift(of_share(14, 28), of_share(16, 30))
    assert rounded(found) == pytest.approx((0.06667, -0.47767, 0.61101, 0.80707), abs=5e-5)


def test_a_ratio_is_that_of_the_sums_and_its_variance_the_bootstraps() -> None:
    random = np.random.default_rng(1)
    slots = random.integers(1, 60, 3_000).astype(float)
    clicks = random.binomial(slots.astype(int), random.beta(1, 12, 3_000)).astype(float)
    sample = Sample.of_values(per_visitor(clicks, slots))
    assert sample.mean == pytest.approx(clicks.sum() / slots.sum())
    drawn = random.integers(0, 3_000, (2_000, 3_000))
    again = clicks[drawn].sum(axis=1) / slots[drawn].sum(axis=1)
    assert sample.squared_error**0.5 == pytest.approx(again.std(), rel=0.06)


def equal_arms(experiments: int, visitors: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """([experiments, 2, visitors] clicks, the same of slots): heavy visitors see more, and taste varies."""
    random = np.random.default_rng(seed)
    shape = (experiments, 2, visitors)
    slots = 12 * (1 + random.geometric(0.2, shape))
    clicks = random.binomial(slots, random.beta(0.6, 8, shape))
    return clicks.astype(float), slots.astype(float)


def test_equal_arms_differ_in_five_of_a_hundred_experiments() -> None:
    """A/A: 5,000 experiments of 2 × 300 visitors. A test over slots, beside it, shows why visitors are the unit."""
    found, by_slot = 0, 0
    for clicks, slots in zip(*equal_arms(5_000, 300, seed=2), strict=True):
        control, treated = (Sample.of_values(per_visitor(*arm)) for arm in zip(clicks, slots, strict=True))
        lift = relative_lift(control, treated)
        found += lift is not None and lift.p < 0.05
        share, n = clicks.sum(axis=1) / slots.sum(axis=1), slots.sum(axis=1)
        error = np.sqrt(share[0] * (1 - share[0]) / n[0] + share[1] * (1 - share[1]) / n[1])
        by_slot += abs(share[1] - share[0]) > 1.96 * error
    assert found / 5_000 == pytest.approx(0.05, abs=0.01)
    assert by_slot / 5_000 > 0.15


def test_looking_every_day_is_harmless() -> None:
    """A/A: 1,000 experiments, looked at on each of 28 days. One look's interval is wrong in a quarter of them."""
    false_always, false_once = 0, 0
    for clicks, slots in zip(*equal_arms(1_000, 28 * 40, seed=3), strict=True):
        looks = []
        for day in range(1, 29):
            until = day * 40
            samples = [Sample.of_values(per_visitor(c[:until], s[:until])) for c, s in zip(clicks, slots, strict=True)]
            lift = difference(*samples)
            assert lift is not None
            looks.append(lift)
        false_always += any(lift.is_above_zero or lift.is_below_zero for lift in looks)
        false_once += any(lift.p < 0.05 for lift in looks)
    assert false_always / 1_000 < 0.05
    assert false_once / 1_000 > 0.15


def test_the_sequence_is_wider_than_one_look_but_not_by_much() -> None:
    control, treated = Sample(1.0, 4.0, TIGHTEST_AT // 2), Sample(1.1, 4.0, TIGHTEST_AT // 2)
    lift = difference(control, treated)
    assert lift is not None
    assert 1.4 < (lift.always_high - lift.always_low) / (lift.high - lift.low) < 1.6


def test_history_narrows_and_moves_nothing() -> None:
    """CUPED over 1,000 experiments: the mean lift stays, its spread falls as the correlation promises (√(1 − .8²))."""
    random = np.random.default_rng(4)
    plain, narrowed = [], []
    for _ in range(1_000):
        before = random.gamma(2.0, 1.0, (2, 400))
        now = 0.8 * (before - 2) / 2**0.5 + 0.6 * random.normal(size=(2, 400)) + np.array([[1.0], [1.1]])
        adjusted = without_history(list(now), list(before))
        plain.append(now[1].mean() - now[0].mean())
        narrowed.append(adjusted[1].mean() - adjusted[0].mean())
    assert np.mean(narrowed) == pytest.approx(0.1, abs=0.005)
    assert np.std(narrowed) / np.std(plain) == pytest.approx(0.6, abs=0.05)


def test_pairs_are_wrong_in_five_of_a_hundred_experiments_and_narrower_than_two_groups() -> None:
    random = np.random.default_rng(5)
    found, narrower = 0, 0
    for _ in range(2_000):
        taste = random.gamma(2.0, 1.0, 200)
        control, treated = taste + random.normal(0, 0.5, (2, 200))
        paired = paired_lift(control, treated)
        grouped = relative_lift(Sample.of_values(control), Sample.of_values(treated))
        assert paired is not None and grouped is not None
        found += paired.p < 0.05
        narrower += paired.high - paired.low < grouped.high - grouped.low
    assert found / 2_000 == pytest.approx(0.05, abs=0.015)
    assert narrower == 2_000


def test_visitors_without_any_history_change_nothing() -> None:
    values = [np.array([1.0, 2.0]), np.array([3.0])]
    assert without_history(values, [np.zeros(2), np.zeros(1)]) == values


@pytest.mark.parametrize(
    ("control", "treated"),
    [(Sample(0.0, 0.0, 0), TREATED), (CONTROL, Sample(1.0, 0.0, 1)), (Sample(0.0, 1.0, 50), TREATED)],
)
def test_nothing_to_compare_is_no_lift(control: Sample, treated: Sample) -> None:
    assert relative_lift(control, treated) is None


def test_equal_constants_are_no_lift() -> None:
    assert difference(Sample(1.0, 0.0, 10), Sample(1.0, 0.0, 10)) is None


def test_no_visitor_is_a_sample_of_nobody() -> None:
    nobody = np.zeros(0)
    assert Sample.of_values(per_visitor(nobody, nobody)) == Sample(0.0, 0.0, 0)
