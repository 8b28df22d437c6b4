"""What another ranking would have earned, from lists that were shown: nobody has to see it first.

Each shown slot was logged with its propensity, the chance that the served ranking showed this item. A slot counts
more, the likelier the other ranking is to show its item, and less, the likelier the served one was. Where the served
ranking could never show what the other one would, the log holds nothing about it: `covered` and `effective` say so.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.experiments.lift import Lift, Sample, difference, per_visitor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLIP: Final = 100.0  # no slot weighs more
MIN_EFFECTIVE: Final = 100.0  # visitors; fewer decide nothing, whatever the estimate
MIN_COVERED: Final = 0.7  # below, most of what is told would be the guess and not the log
PRIOR_SLOTS: Final = 30.0  # seen slots of the mean rate that each item starts from
HEADLINE: Final = "doubly_robust"


class Withheld(StrEnum):
    """Why an estimate is not told."""

    NO_LISTS = "no_lists"
    TOO_FEW = "too_few"
    NOT_COVERED = "not_covered"


@dataclass(frozen=True, slots=True)
class Log:
    """Shown slots, one row each.

    Attributes:
        visitor: [slots] int64. reward: [slots] what it earned, such as 1 for a click.
        logged: [slots] in (0, 1], chance that the served ranking showed it.
        target: [slots] in [0, 1], chance that the other ranking would.
        predicted: [slots] a guess of the reward, made without looking at it; 0 where there is none.
        predicted_target: [slots] the mean guess over what the other ranking would show in its place.
    """

    visitor: Ints
    reward: Floats
    logged: Floats
    target: Floats
    predicted: Floats
    predicted_target: Floats

    def __post_init__(self) -> None:
        if not np.all((self.logged > 0) & (self.logged <= 1)) or not np.all((self.target >= 0) & (self.target <= 1)):
            raise ValueError("Propensities are chances: logged ones above 0, and none above 1.")


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean reward a slot of the other ranking, with the visitor as the unit.

    Attributes:
        samples: "ips", "snips", "doubly_robust" → mean and variance.
        gains: the same names → other ÷ served − 1, paired by visitor.
        served: what the shown slots really earned.
        effective: visitors' worth of information that is left, of `served.n`.
        covered: share of what the other ranking would show that the served one could have shown; estimated, so it may
            lie above 1.
        clipped: share of the slots whose weight was cut off.
    """

    samples: dict[str, Sample]
    gains: dict[str, Sample]
    served: Sample
    effective: float
    covered: float
    clipped: float

    @property
    def withheld(self) -> Withheld | None:
        """Why it decides nothing; None where it may be told."""
        if self.served.n == 0:
            return Withheld.NO_LISTS
        if self.covered < MIN_COVERED:
            return Withheld.NOT_COVERED
        return Withheld.TOO_FEW if self.effective < MIN_EFFECTIVE else None


def estimate(log: Log, clip: float = CLIP) -> Estimate:
    """Inverse propensities, the same normalised by their sum, and doubly robust.

    Args:
        clip: no slot weighs more; lowers the variance and biases towards 0.
    Source: Horvitz and Thompson 1952; Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual
    Learning, NeurIPS 2015; Dudík, Langford and Li, arXiv:1103.4601.
    """
    raw = log.target / log.logged  # [slots]
    weight = np.minimum(raw, clip)
    slots = _sums(log.visitor, np.ones(len(weight)))
    weights = _sums(log.visitor, weight)
    corrected = log.predicted_target + weight * (log.reward - log.predicted)
    numerators = {
        "ips": (_sums(log.visitor, weight * log.reward), slots),
        "snips": (_sums(log.visitor, weight * log.reward), weights),
        "doubly_robust": (_sums(log.visitor, corrected), slots),
    }
    values = {name: per_visitor(*sums) for name, sums in numerators.items()}
    served = per_visitor(_sums(log.visitor, log.reward), slots)
    n = max(len(weight), 1)
    return Estimate(
        {name: Sample.of_values(each) for name, each in values.items()},
        {name: _gain(each, served) for name, each in values.items()},
        Sample.of_values(served),
        len(slots) * effective_size(weight) / n,
        float(raw.sum()) / n,
        float((raw > clip).sum()) / n,
    )


def interval(sample: Sample) -> Lift | None:
    """The mean with its intervals, and p of its being 0; None below two visitors or where all of them are alike."""
    return difference(Sample(0.0, 0.0, sample.n), sample)


def effective_size(weights: Floats) -> float:
    """(Σw)² ÷ Σw²: as many equally weighted ones would tell as much. Source: Kish 1965."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def guessed_rates(visitor: Ints, item: Ints, reward: Floats, of_visitor: Ints, of_item: Ints) -> Floats:
    """[k] the mean reward of each `of_item` with the visitors of the other half, drawn to the mean of all items.

    A guess never sees the visitor that it is made for: that keeps the doubly robust estimate unbiased.

    Args:
        visitor, item, reward: [slots] what was shown; items numbered from 0. of_visitor, of_item: [k].
    """
    guesses = np.zeros(len(of_item))
    items = int(max(item.max(initial=-1), of_item.max(initial=-1))) + 1
    for half in (0, 1):
        others, asked = visitor % 2 != half, of_visitor % 2 == half
        mean = reward[others].mean() if others.any() else 0.0
        earned = np.bincount(item[others], weights=reward[others], minlength=items)
        shown = np.bincount(item[others], minlength=items)
        guesses[asked] = ((earned + PRIOR_SLOTS * mean) / (shown + PRIOR_SLOTS))[of_item[asked]]
    return guesses


def _gain(other: Floats, served: Floats) -> Sample:
    """other ÷ served − 1 by the delta method, from [visitors] values of both; empty where nothing was earned."""
    if not len(served) or served.mean() <= 0:
        return Sample(0.0, 0.0, 0)
    ratio = other.mean() / served.mean()
    return Sample.of_values(ratio - 1 + (other - ratio * served) / served.mean())


def _sums(visitor: Ints, values: Floats) -> Floats:
    """[visitors] sums over each visitor's slots."""
    _, place = np.unique(visitor, return_inverse=True)
    sums: Floats = np.bincount(place, weights=values).astype(np.float64)
    return sums
