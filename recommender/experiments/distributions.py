"""Normal, Student's t and chi-squared: the few values that comparing arms needs, without scipy in the web process.

Sixty lines instead of a hundred megabytes in every web process; tests hold them to scipy's.
"""

import math
from statistics import NormalDist
from typing import Final

STEPS: Final = 500  # of the continued fraction; it needs some sqrt(dof)
TINY: Final = 1e-300
PRECISE: Final = 1e-15
NEWTON_STEPS: Final = 100


def normal_quantile(share: float) -> float:
    """z with `share` of a standard normal below it."""
    return NormalDist().inv_cdf(share)


def student_tail(t: float, dof: float) -> float:
    """Probability of a value beyond ±t (both sides together) with `dof` > 0 degrees of freedom."""
    return _beta_share(dof / (dof + t * t), dof / 2, 0.5)


def student_quantile(share: float, dof: float) -> float:
    """t with `share` of the distribution below it; share in (.5, 1).

    By Newton's method from the normal's, which lies below: the tail is convex, so no step goes too far.
    """
    tail, t = 2 * (1 - share), normal_quantile(share)
    for _ in range(NEWTON_STEPS):
        log_density = -(dof + 1) / 2 * math.log1p(t * t / dof) - _log_beta(dof / 2, 0.5) - math.log(dof) / 2
        step = (student_tail(t, dof) - tail) / (2 * math.exp(log_density))
        t += step
        if abs(step) < 1e-12 * t:
            break
    return t


def chi_squared_tail(x: float, dof: int) -> float:
    """Probability of a value above x ≥ 0 with a whole number of degrees of freedom.

    By the recurrence of the incomplete gamma function from one (erfc) or two (exp) degrees on.
    """
    half = x / 2
    a, tail = (0.5, math.erfc(math.sqrt(half))) if dof % 2 else (1.0, math.exp(-half))
    while a < dof / 2:
        if half > 0:
            tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1))
        a += 1
    return tail


def binomial_tail(successes: int, trials: int) -> float:
    """Probability that a fair coin does not do better: a two-sided sign test's p; 1 for no trial."""
    least = min(successes, trials - successes)
    below = sum(math.exp(_log_choose(trials, k) - trials * math.log(2)) for k in range(least + 1))
    return min(1.0, 2 * below)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beta_share(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b). Source: DLMF 8.17.22, evaluated by Lentz's method."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - _beta_share(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)
    return math.exp(log_front) / (a * _continued_fraction(x, a, b))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …))"""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, STEPS):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d or TINY)
        c = 1 + term / c or TINY
        value *= c * d
        if abs(c * d - 1) < PRECISE:
            break
    return value
