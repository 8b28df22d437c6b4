"""What the ranker sees of a candidate. One definition for training, judging and serving, so that they cannot differ."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

PURCHASE: Final = 4
LONG_DECAY_DAYS: Final = 120.0  # DATA: own purchases decayed over 120 days are the strongest single repeat signal
SHORT_DECAY_DAYS: Final = 21.0
FEATURES: Final = ("similarity", "log_popularity", "own_long", "own_short", "is_repeat", "repeat_similarity")

Floats = NDArray[np.float32]


def decayed_purchases(
    item: NDArray[np.generic], kind: NDArray[np.generic], age_days: Floats, decay_days: float
) -> dict[object, float]:
    """item → sum over its purchases of exp(-age / decay_days), for one visitor's events (arrays of equal length)."""
    bought = kind == PURCHASE
    keys, place = np.unique(item[bought], return_inverse=True)
    sums = np.bincount(place, weights=np.exp(-age_days[bought] / decay_days), minlength=len(keys))
    return dict(zip(keys.tolist(), sums.tolist(), strict=True))


def ranking_features(similarity: Floats, popularity: Floats, own_long: Floats, own_short: Floats) -> Floats:
    """[n, len(FEATURES)] float32 of n candidates of one visitor.

    Args:
        similarity: [n] cosine of the visitor's and the item's fused vectors.
        popularity: [n] ≥ 0, `EmbeddingTable.popularity`.
        own_long, own_short: [n] the visitor's own decayed purchases of the item (`decayed_purchases` with
            LONG_DECAY_DAYS and SHORT_DECAY_DAYS); 0 for an item never bought.
    """
    is_repeat = (own_long > 0).astype(np.float32)
    columns = [
        similarity,
        np.log1p(popularity),
        np.log1p(own_long),
        np.log1p(own_short),
        is_repeat,
        is_repeat * similarity,
    ]
    return np.stack(columns, axis=-1).astype(np.float32)  # [n, features]


def rank_candidates(features: Floats, ranker: Mapping[str, object]) -> Floats:
    """[n] float32 scores, higher is better: the linear ranker of a version (`ModelVersion.ranker`).

    Args:
        features: [n, features] from `ranking_features`.
        ranker: {"weights": {feature name: weight}}; a missing feature weighs 0. Without "weights", similarity decides.
    """
    weights = ranker.get("weights") or {"similarity": 1.0}
    assert isinstance(weights, Mapping)
    vector = np.array([float(weights.get(name, 0.0)) for name in FEATURES], dtype=np.float32)
    return np.asarray(features @ vector, dtype=np.float32)
