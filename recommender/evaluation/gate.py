"""Good enough to show? A version goes live unless a baseline beats it.

Below a baseline by less than the standard error of the comparison counts as equal: with few visitors the order of two
equally good rankers is a coin toss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_VISITORS = 20  # fewer holdout visitors tell nothing: then the gate checks the vectors only, and says so


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed or not, why, and the numbers.

    Attributes:
        metrics: ranker name ("ours", "popularity", "item_knn", "own_decayed") → metric → value.
        holdout: {"visitors": how many were asked, "start": ISO time of the cut}.
        details: "segments", "calibration" and "by_history", see evaluation/segments.py.
    """

    passed: bool
    reasons: list[str]
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    holdout: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "reasons": self.reasons,
            "metrics": self.metrics,
            "holdout": self.holdout,
            **self.details,
        }


def judge(
    vectors: NDArray[np.float32],
    catalogue_size: int,
    metrics: Mapping[str, Mapping[str, float]],
    errors: Mapping[str, float],
    holdout: Mapping[str, Any],
) -> Verdict:
    """Compare `metrics["ours"]` with every other entry on NDCG@10, and check the vectors themselves.

    Args:
        vectors: [items, dim]. errors: ranker name → standard error of the difference to ours in NDCG@10.
    """
    reasons = _defects(vectors, catalogue_size) + beaten(metrics, errors, int(holdout["visitors"]))
    copied = {name: dict(values) for name, values in metrics.items()}
    return Verdict(not reasons, reasons, copied, dict(holdout))


def beaten(metrics: Mapping[str, Mapping[str, float]], errors: Mapping[str, float], visitors: int) -> list[str]:
    """Which baselines are better than `metrics["ours"]`, beyond the noise; none where too few visitors were asked."""
    if visitors < MIN_VISITORS:
        return []
    ours = metrics["ours"]["ndcg@10"]
    return [
        f"NDCG@10 {ours:.4f} is below {name} with {values['ndcg@10']:.4f} (± {errors.get(name, 0.0):.4f})"
        for name, values in metrics.items()
        if name != "ours" and ours + errors.get(name, 0.0) < values["ndcg@10"]
    ]


def _defects(vectors: NDArray[np.float32], catalogue_size: int) -> list[str]:
    reasons = []
    if len(vectors) != catalogue_size:
        reasons.append(f"{len(vectors)} vectors for {catalogue_size} items")
    if not np.isfinite(vectors).all():
        reasons.append(f"{int((~np.isfinite(vectors)).any(axis=1).sum())} vectors hold NaN or infinity")
    elif len(vectors) and np.abs(np.linalg.norm(vectors, axis=1) - 1).max() > 1e-2:
        reasons.append("a vector is not of unit length")
    return reasons
