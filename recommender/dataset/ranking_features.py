"""What the ranker sees of a candidate. One definition for training, judging and serving, so that they cannot differ."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PURCHASE: Final = 4
LONG_DECAY_DAYS: Final = 120.0  # DATA: own purchases decayed over 120 days are the strongest single repeat signal
SHORT_DECAY_DAYS: Final = 21.0
FEATURES: Final = ("similarity", "log_popularity", "own_long", "own_short", "own_share", "is_repeat", "own_items")

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
        own_long / max(float(own_long.max(initial=0.0)), 1e-6),
        is_repeat,
        np.full(len(similarity), np.log1p(is_repeat.sum()), dtype=np.float32),
    ]
    return np.stack(columns, axis=-1).astype(np.float32)  # [n, features]


def rank_candidates(features: Floats, ranker: Mapping[str, Any]) -> Floats:
    """[n] float32 scores, higher is better: the small network of a version (`ModelVersion.ranker`).

    relu((x - mean) / scale · W1 + b1) · w2, plus a linear term (x - mean) / scale · w0.

    Args:
        features: [n, features] from `ranking_features`.
        ranker: {"mean", "scale": [features], "linear": [features], "hidden": [features, h], "bias": [h], "out": [h]};
            empty for a version without a ranker: similarity decides.
    """
    if not ranker:
        return features[:, FEATURES.index("similarity")]
    mean, scale, linear, hidden, bias, out = (
        np.asarray(ranker[name], dtype=np.float32) for name in ("mean", "scale", "linear", "hidden", "bias", "out")
    )
    x = (features - mean) / scale  # [n, features]
    scores = x @ linear + np.maximum(x @ hidden + bias, 0.0) @ out
    return np.asarray(scores, dtype=np.float32)
