"""How long lists take, from the histogram that Prometheus reads: for the dashboard of shops without Prometheus."""

import math
from collections import Counter
from dataclasses import dataclass

from recommender.operations.metrics import counted

BUCKET = "recommender_list_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Latency:
    """Since the processes that are counted started.

    Attributes:
        lists: how many. median_ms, p95_ms: half and 95 of 100 took at most so long, as near as the buckets tell.
    """

    lists: int
    median_ms: float
    p95_ms: float


def list_latency() -> Latency | None:
    """Of all placements and rungs, by this process, or by all of them with PROMETHEUS_MULTIPROC_DIR; None before the
    first list."""
    buckets: Counter[float] = Counter()
    for family in counted().collect():
        for sample in family.samples:
            if sample.name == BUCKET:
                buckets[float(sample.labels["le"])] += int(sample.value)
    total = max(buckets.values(), default=0)
    if not total:
        return None
    ascending = sorted(buckets.items())
    return Latency(total, 1_000 * quantile(ascending, 0.5), 1_000 * quantile(ascending, 0.95))


def quantile(buckets: list[tuple[float, int]], share: float) -> float:
    """The value below which a `share` lies, evenly spread inside its bucket, as Prometheus' histogram_quantile.

    Args:
        buckets: (upper bound, so many up to it), ascending, the last without a bound.
    """
    wanted, low, before = share * buckets[-1][1], 0.0, 0
    for bound, count in buckets:
        if count >= wanted and count > before:
            return low if math.isinf(bound) else low + (bound - low) * (wanted - before) / (count - before)
        low, before = bound, count
    return low
