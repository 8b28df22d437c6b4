"""How satisfied visitors say they are: the share of "more like this" among all answers, with its uncertainty."""

import math
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q

from recommender.models import Feedback

Z: Final = 1.959964  # 95 %


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """Attributes:
    share: of the answers that are positive, 0..1. low, high: its 95 % interval. answers, visitors: how many.
    """

    share: float
    low: float
    high: float
    answers: int
    visitors: int


def satisfaction() -> Satisfaction | None:
    """Of all answers that hold; None while there is none.

    The unit is the visitor: somebody who answers twenty times is not twenty people. Wilson's interval is taken at the
    number of independent answers that gives the variance seen between visitors.
    """
    per_visitor = Feedback.objects.values("visitor").annotate(
        answers=Count("pk"), positive=Count("pk", filter=Q(value=Feedback.Value.MORE))
    )
    return of_counts(list(per_visitor.values_list("positive", "answers")))


def of_counts(counts: list[tuple[int, int]]) -> Satisfaction | None:
    """(positive, all) answers of each visitor → the figure."""
    answers, visitors = sum(each for _, each in counts), len(counts)
    if not answers:
        return None
    share = sum(positive for positive, _ in counts) / answers
    effective = float(answers)
    if visitors > 1 and 0 < share < 1:
        between = sum((positive - share * each) ** 2 for positive, each in counts) / answers**2
        between *= visitors / (visitors - 1)
        effective = min(effective, share * (1 - share) / between) if between else effective
    else:
        effective = float(visitors)
    low, high = _wilson(share, effective)
    return Satisfaction(share, low, high, answers, visitors)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Source: Wilson, 1927."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)
