"""When a result may not be read yet, or not at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recommender.experiments.distributions import chi_squared_tail, normal_quantile
from recommender.experiments.lift import ALPHA, Lift, always_reach

MISMATCH_P: Final = 0.001  # a true split looks this uneven once in a thousand experiments
MIN_VISITORS: Final = 100  # of each arm; below, the normal approximation is a guess
POWER: Final = 0.8
ROUNDS: Final = 5  # until the interval that always holds is as wide as it will be then


def sample_ratio_p(visitors: Sequence[int], weights: Sequence[float]) -> float:
    """Probability of a split at least this uneven, if every visitor is assigned by the arms' `weights`; χ²-test.

    Below MISMATCH_P something loses visitors of one arm, and whatever the arms show may come from that.
    """
    total, weight = sum(visitors), sum(weights)
    if total == 0 or len(visitors) < 2 or not all(weights):  # an arm of nobody: there is no split
        return 1.0
    expected = [total * share / weight for share in weights]
    statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in zip(visitors, expected, strict=True))
    return chi_squared_tail(statistic, len(visitors) - 1)


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a result is not ready.

    Attributes:
        days: about how many more; None where nobody can say.
        visitors: about how many more each arm needs, 0 where only the calendar is missing.
    """

    days: int | None
    visitors: int


def still_to_run(days: float, min_days: int, visitors: Sequence[int]) -> Wait | None:
    """The minimum run: whole days over a week, and enough visitors for the mathematics; None once both are there."""
    fewest = min(visitors, default=0)
    missing = max(0, MIN_VISITORS - fewest)
    wait = _days_until(fewest, missing, days)
    calendar = max(0, math.ceil(min_days - days))
    if not missing and not calendar:
        return None
    return Wait(None if wait is None else max(wait, calendar), missing)


def still_to_decide(lift: Lift, wanted: float, days: float, visitors: Sequence[int]) -> Wait:
    """How long until a lift of `wanted` (.05 is 5 %) would be seen four times in five, at the pace so far.

    Seen: the interval that always holds lies above zero. It falls with the square root of the visitors, and a little
    slower the more they are.
    """
    fewest, factor = min(visitors), 1.0
    error = (lift.high - lift.low) / 2 / normal_quantile(1 - ALPHA / 2)
    always = (lift.always_high - lift.always_low) / 2 / always_reach(2 * max(fewest, 1))
    for _ in range(ROUNDS):
        reach = always * always_reach(2 * max(fewest, 1) * factor)
        factor = ((reach + normal_quantile(POWER) * error) / wanted) ** 2
    missing = max(0, math.ceil(fewest * (factor - 1)))
    return Wait(_days_until(fewest, missing, days), missing)


def _days_until(seen: int, missing: int, days: float) -> int | None:
    if missing == 0:
        return 0
    return math.ceil(missing * days / seen) if seen and days > 0 else None
