"""Which arm a visitor is in: a hash of the experiment's salt and the visitor's key, so nobody has to remember it.

`static/recommender/assignment.js` computes the same in a browser or in Node; a test compares the two.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

HEX_DIGITS: Final = 13  # 52 bits: exact in the double of JavaScript
HOLDOUT_SALT: Final = "recommender.holdout"  # never changes: the holdout visitors are the same for ever
RAMP: Final = ":ramp"  # after the salt: who takes part is another draw than in which arm


def position(salt: str, key: str) -> float:
    """Where a key falls in 0 ≤ x < 1, evenly, and independently for another salt."""
    digits = hashlib.sha256(f"{salt}:{key}".encode()).hexdigest()[:HEX_DIGITS]
    return int(digits, 16) / 16.0**HEX_DIGITS


def is_within(salt: str, key: str, share: float) -> bool:
    """Whether a key belongs to the `share` of all; a growing share only adds keys."""
    return position(salt, key) < share


def arm_of(salt: str, key: str, share: float, weights: Sequence[int]) -> int | None:
    """Place of the arm in `weights`, None for who does not take part.

    Args:
        share: of all visitors that takes part. Raising it moves nobody: it adds visitors, and each has its arm already.
        weights: of the arms, in their order, not all 0; they must not change while an experiment runs.
    """
    if not is_within(salt + RAMP, key, share):
        return None
    target, reached = position(salt, key) * sum(weights), 0
    for place, weight in enumerate(weights):
        reached += weight
        if target < reached:
            return place
    raise ValueError("The weights of the arms are all 0: give one arm a weight.")
