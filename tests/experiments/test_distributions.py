"""Held to scipy, which only the tests and the training worker have."""

import math

import pytest
from scipy import stats

from recommender.experiments.distributions import (
    binomial_tail,
    chi_squared_tail,
    normal_quantile,
    student_quantile,
    student_tail,
)


@pytest.mark.parametrize("dof", [1, 2.5, 7, 55.7, 1_000, 5_841.7, 3e6])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.96, 4.0, 12.0])
def test_students_tail_is_scipys(t: float, dof: float) -> None:
    assert student_tail(t, dof) == pytest.approx(2 * stats.t(dof).sf(t), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("dof", [1, 2.5, 30, 5_841.7, 1e6])
@pytest.mark.parametrize("share", [0.6, 0.9, 0.975, 0.9995])
def test_students_quantile_is_scipys(share: float, dof: float) -> None:
    assert student_quantile(share, dof) == pytest.approx(stats.t(dof).ppf(share), rel=1e-7)


@pytest.mark.parametrize("dof", range(1, 9))
@pytest.mark.parametrize("x", [0.0, 0.01, 1.0, 7.8, 60.0])
def test_chi_squared_is_scipys(x: float, dof: int) -> None:
    assert chi_squared_tail(x, dof) == pytest.approx(stats.chi2(dof).sf(x), rel=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (0, 1), (3, 6), (14, 58), (40, 58), (480, 1_000)])
def test_the_sign_test_is_scipys(successes: int, trials: int) -> None:
    wanted = stats.binomtest(successes, trials).pvalue if trials else 1.0
    assert binomial_tail(successes, trials) == pytest.approx(wanted, rel=1e-9)


def test_the_normal_quantile_is_scipys() -> None:
    assert normal_quantile(0.975) == pytest.approx(stats.norm.ppf(0.975))
    assert math.isclose(normal_quantile(0.5), 0.0, abs_tol=1e-12)
