"""A small share of slots tries items that few people have seen: which slots, which items, and with what chance.

Numbers only: no Django. The policy is made so that its chances are exact, not estimated:

* The slots that may explore are fixed by the list's length and the share; each explores or not by a coin of its own.
* Each such slot has its own few trial items, so the draws do not depend on each other.
* Thompson sampling draws from a discrete posterior of each item's click rate, so that the chance of each item to have
  the highest draw is a finite sum.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Chances = NDArray[np.float64]

TRIALS: Final = 5  # items between which a slot's draw decides
PRIOR_CLICKS: Final = 1.0
PRIOR_IMPRESSIONS: Final = 30.0  # of an item that nobody has seen: a click rate of one in thirty is thought likely
GRID: Final = (np.arange(64) + 0.5) / 64 * 0.5  # click rates; over a half is as good as a half


def exploring_slots(free: Sequence[int], length: int, share: float) -> tuple[list[int], float]:
    """(slots that may explore, chance that each does): in the middle of equal stretches of the list.

    Args:
        free: slots that no rule has taken, ascending. length: of the list.
        share: expected share of the list's slots that explore, 0 to 1.
    """
    wanted = min(share * length, float(len(free)))
    count = math.ceil(wanted - 1e-9)
    if count == 0:
        return [], 0.0
    middles = [int((2 * place + 1) * len(free) / (2 * count)) for place in range(count)]
    return [free[place] for place in middles], wanted / count


def win_chances(clicks: Sequence[int], impressions: Sequence[int]) -> Chances:
    """[k] the chance of each item to have the highest draw, summing to 1; of equal draws the first one wins.

    The posterior is Beta(PRIOR_CLICKS + clicks, PRIOR_IMPRESSIONS + impressions - clicks) on the points of GRID.
    """
    a = PRIOR_CLICKS + np.asarray(clicks, dtype=np.float64)[:, None]
    b = PRIOR_IMPRESSIONS + np.maximum(np.asarray(impressions) - np.asarray(clicks), 0).astype(np.float64)[:, None]
    density = (a - 1) * np.log(GRID) + (b - 1) * np.log1p(-GRID)  # [k, grid], up to a constant of each item
    mass = np.exp(density - density.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    up_to = np.minimum(np.cumsum(mass, axis=1), 1.0)
    below = up_to - mass
    chances = np.empty(len(mass))
    for item in range(len(mass)):
        others = np.vstack([below[:item], up_to[item + 1 :]])  # earlier ones must draw less, later ones at most as much
        chances[item] = float((mass[item] * others.prod(axis=0)).sum())
    return np.asarray(chances / chances.sum())
