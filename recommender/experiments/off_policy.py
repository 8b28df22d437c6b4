"""What another ranking would have earned, from lists that were shown: nobody has to see it first.

Each shown slot was logged with its propensity, the chance that the served ranking put this item there. A slot counts
more, the likelier the other ranking is to show it, and less, the likelier the served one was. Where the served ranking
could never show what the other one would, the log holds nothing about it, and the effective sample size says so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.experiments.lift import Sample, per_visitor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MIN_EFFECTIVE: Final = 100.0  # visitors; fewer decide nothing, whatever the estimate


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
        samples: "ips", "snips", "doubly_robust" → mean and variance, to be compared with `served`.
        served: what the shown slots really earned.
        effective: visitors' worth of information that is left, of `served.n`.
    """

    samples: dict[str, Sample]
    served: Sample
    effective: float

    @property
    def is_readable(self) -> bool:
        return self.effective >= MIN_EFFECTIVE


def estimate(log: Log, clip: float = 100.0) -> Estimate:
    """Inverse propensities, the same normalised by their sum, and doubly robust.

    Args:
        clip: no slot weighs more; lowers the variance and biases towards 0.
    Source: Horvitz and Thompson 1952; Swaminathan and Joachims, NeurIPS 2015; Dudík, Langford and Li, ICML 2011.
    """
    weight = np.minimum(log.target / log.logged, clip)  # [slots]
    slots = _sums(log.visitor, np.ones(len(weight)))
    weights = _sums(log.visitor, weight)
    corrected = log.predicted_target + weight * (log.reward - log.predicted)
    numerators = {
        "ips": (_sums(log.visitor, weight * log.reward), slots),
        "snips": (_sums(log.visitor, weight * log.reward), weights),
        "doubly_robust": (_sums(log.visitor, corrected), slots),
    }
    return Estimate(
        {name: Sample.of_values(per_visitor(*sums)) for name, sums in numerators.items()},
        Sample.of_values(per_visitor(_sums(log.visitor, log.reward), slots)),
        len(slots) * effective_size(weight) / max(len(weight), 1),
    )


def effective_size(weights: Floats) -> float:
    """(Σw)² ÷ Σw²: as many equally weighted ones would tell as much. Source: Kish 1965."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _sums(visitor: Ints, values: Floats) -> Floats:
    """[visitors] sums over each visitor's slots."""
    _, place = np.unique(visitor, return_inverse=True)
    sums: Floats = np.bincount(place, weights=values).astype(np.float64)
    return sums
