"""How much better one arm did than another, with the visitor as the unit.

A visitor sees many slots, and those belong together: a test that takes each slot for itself finds a difference between
two equal arms in 17 of 100 experiments instead of 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from recommender.experiments.distributions import student_quantile, student_tail

Floats = NDArray[np.float64]
ALPHA: Final = 0.05
TIGHTEST_AT: Final = 1_000  # visitors of both arms; the sequence is valid at any number, and narrowest near this one


@dataclass(frozen=True, slots=True)
class Sample:
    """One arm's mean of something measured once a visitor.

    Attributes:
        variance: of one visitor. n: visitors.
    """

    mean: float
    variance: float
    n: int

    @classmethod
    def of_values(cls, values: Floats) -> Self:
        """[visitors] float → their mean and variance."""
        mean = float(values.mean()) if len(values) else 0.0
        return cls(mean, float(values.var(ddof=1)) if len(values) > 1 else 0.0, len(values))

    @property
    def squared_error(self) -> float:
        """Variance of the mean."""
        return self.variance / self.n if self.n else math.inf


@dataclass(frozen=True, slots=True)
class Lift:
    """A difference between two arms.

    Attributes:
        low, high: confidence interval for one look at a moment that was fixed before.
        p: of no difference, for the same one look.
        always_low, always_high: confidence sequence: holds at every moment, however often somebody looks.
    """

    estimate: float
    low: float
    high: float
    p: float
    always_low: float
    always_high: float

    @property
    def is_above_zero(self) -> bool:
        """Sure, however often somebody looked."""
        return self.always_low > 0

    @property
    def is_below_zero(self) -> bool:
        return self.always_high < 0


def per_visitor(numerator: Floats, denominator: Floats) -> Floats:
    """[visitors] values whose mean is sum(numerator) / sum(denominator), and whose variance is that ratio's.

    The delta method: a ratio of two sums over visitors, linear around its value. A denominator of ones changes nothing.
    """
    mean = denominator.mean() if len(denominator) else 0.0
    if mean == 0:
        return np.zeros(len(numerator))
    ratio = numerator.mean() / mean
    values: Floats = ratio + (numerator - ratio * denominator) / mean
    return values


def without_history(values: Sequence[Floats], before: Sequence[Floats]) -> list[Floats]:
    """CUPED: the arms' values less what each visitor's history explains; the means' difference stays unbiased.

    Args:
        values, before: an array [visitors] an arm, in the same order; `before` was measured before the arm could act.
    Source: Deng, Xu, Kohavi and Walker, WSDM 2013.
    """
    centred = [(one - one.mean(), past - past.mean()) for one, past in zip(values, before, strict=True) if len(one)]
    spread = sum(float(past @ past) for _, past in centred)
    if spread == 0:
        return list(values)
    slope = sum(float(one @ past) for one, past in centred) / spread
    centre = float(np.concatenate(list(before)).mean())
    return [one - slope * (past - centre) for one, past in zip(values, before, strict=True)]


def difference(control: Sample, treated: Sample, alpha: float = ALPHA) -> Lift | None:
    """treated − control; None while there is nothing to compare."""
    return _lift(treated.mean - control.mean, treated.squared_error + control.squared_error, control, treated, alpha)


def relative_lift(control: Sample, treated: Sample, alpha: float = ALPHA) -> Lift | None:
    """treated ÷ control − 1, by the delta method; None while there is nothing to compare, or the control is at zero."""
    if control.mean <= 0:
        return None
    ratio = treated.mean / control.mean
    squared_error = (treated.squared_error + ratio**2 * control.squared_error) / control.mean**2
    return _lift(ratio - 1, squared_error, control, treated, alpha)


def paired_lift(control: Floats, treated: Floats, alpha: float = ALPHA) -> Lift | None:
    """treated ÷ control − 1 where both were measured on the same visitors, in the same order; narrower by far.

    Args:
        control, treated: [visitors] values, as `per_visitor` gives them.
    """
    if len(control) < 2 or control.mean() <= 0:
        return None
    ratio = treated.mean() / control.mean()
    one = Sample.of_values((treated - ratio * control) / control.mean())
    nothing = Sample(0.0, 0.0, len(control))
    return _lift(float(ratio) - 1, one.squared_error, nothing, one, alpha)


def _lift(estimate: float, squared_error: float, control: Sample, treated: Sample, alpha: float) -> Lift | None:
    dof = _welch(control, treated)
    if dof is None or squared_error == 0:
        return None
    error = math.sqrt(squared_error)
    reach = student_quantile(1 - alpha / 2, dof) * error
    always = always_reach(control.n + treated.n, alpha) * error
    p = student_tail(estimate / error, dof)
    return Lift(estimate, estimate - reach, estimate + reach, p, estimate - always, estimate + always)


def _welch(control: Sample, treated: Sample) -> float | None:
    """Degrees of freedom of the difference of two means with unequal variances."""
    if control.n < 2 or treated.n < 2:
        return None
    a, b = control.squared_error, treated.squared_error
    if a + b == 0:
        return None
    return (a + b) ** 2 / (a**2 / (control.n - 1) + b**2 / (treated.n - 1))


def always_reach(n: float, alpha: float = ALPHA) -> float:
    """Half width of the confidence sequence in standard errors of the estimate, after n visitors.

    Source: Waudby-Smith and others, Time-uniform central limit theory and asymptotic confidence sequences,
    arXiv:2103.06476.
    """
    narrowest = -2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))
    mixed = n * narrowest / TIGHTEST_AT  # n ρ²
    return math.sqrt(2 * (mixed + 1) / mixed * math.log(math.sqrt(mixed + 1) / alpha))
