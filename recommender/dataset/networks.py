"""The small networks that rank, in numpy: a weight a feature plus one hidden layer.

x = (features - mean) / scale, cut at `LIMIT`; score = x · linear + relu(x · hidden + bias) · out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Standard deviations. What lies further out was hardly seen in training; habits are rare and far out, so a tight limit
# would make all of them alike (at 5, NDCG@10 on Complete Journey fell from .225 to .218).
LIMIT: Final = 30.0
# Multiplications that BLAS leaves to the thread that asks: waiting for another one on busy cores took 45 ms, not 0.2.
MOST_AT_ONCE: Final = 200_000
KEPT: Final = 16  # networks that were built from JSON


@dataclass(frozen=True, slots=True)
class Network:
    """mean, scale, linear: [features]. hidden: [features, h]. bias, out: [h]."""

    mean: Floats
    scale: Floats
    linear: Floats
    hidden: Floats
    bias: Floats
    out: Floats

    @classmethod
    def of(cls, stored: Mapping[str, Any], width: int) -> "Network | None":
        """The network that JSON holds; None where there is none, or one that older code made for other features.

        Built once: `stored` must not change any more.
        """
        if len(stored.get("mean", ())) != width:
            return None
        kept = _built.get(id(stored))
        if kept is None or kept[0] is not stored:
            kept = stored, cls(*(np.asarray(stored[name], dtype=np.float32) for name in cls.__slots__))
            if len(_built) >= KEPT:
                _built.clear()  # at once: another thread may be adding one
            _built[id(stored)] = kept
        return kept[1]

    def scores(self, features: Floats) -> Floats:
        """[n] float32 of [n, features], higher is better."""
        x = self._standardized(features)
        rows = max(MOST_AT_ONCE // max(self.hidden.size, 1), 1)
        learned = [
            np.maximum(x[at : at + rows] @ self.hidden + self.bias, 0.0) @ self.out for at in range(0, len(x), rows)
        ]
        return np.asarray(x @ self.linear + np.concatenate([np.zeros(0, np.float32), *learned]), dtype=np.float32)

    def contributions(self, features: Floats) -> tuple[Floats, Floats]:
        """([n, features] what each feature adds to the score, [n] what is left): together exactly `scores`.

        The network is linear between the kinks of its hidden units, so each feature's share at a point is its distance
        from the average candidate of the training times the slope there: nothing is estimated, nothing is shared out.
        """
        x = self._standardized(features)
        open_units = (x @ self.hidden + self.bias > 0) * self.out  # [n, hidden]
        shares = x * (self.linear + open_units @ self.hidden.T)
        return shares.astype(np.float32), np.asarray(open_units @ self.bias, dtype=np.float32)

    def _standardized(self, features: Floats) -> Floats:
        return np.asarray(np.clip((features - self.mean) / self.scale, -LIMIT, LIMIT))


_built: dict[int, tuple[Mapping[str, Any], Network]] = {}  # id of the JSON, which is kept so that its id stays its own
