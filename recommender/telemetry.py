"""What is counted in each web process, for Prometheus: docs/operations.md, "Metrics".

In prometheus_client's default registry, so that a shop that has an endpoint of its own shows them there, too.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LIST_SECONDS: Final = Histogram(
    "recommender_list_seconds",
    "How long a list took, from the question to the answer.",
    ["placement", "rung"],
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0),
)
EMPTY_LISTS: Final = Counter("recommender_empty_lists", "Lists without an item.", ["placement"])
CANDIDATES: Final = Histogram(
    "recommender_candidates",
    "Items of a personal list: that were retrieved, that were left to rank, that were shown.",
    ["stage"],
    buckets=(0, 1, 3, 6, 12, 25, 50, 100, 200, 400, 800),
)
RUNG_FAILURES: Final = Counter("recommender_rung_failures", "Rungs that failed or took too long.", ["rung"])
OPEN_BREAKERS: Final = Gauge(
    "recommender_open_breakers",
    "Rungs that failed again and again and are tried once a second.",
    ["rung"],
    multiprocess_mode="livesum",
)


def count_list(placement: str, rung: str, items: int, seconds: float) -> None:
    """A list was answered by `rung`."""
    LIST_SECONDS.labels(placement, rung).observe(seconds)
    if not items:
        EMPTY_LISTS.labels(placement).inc()


def count_candidates(retrieved: int, left: int) -> None:
    """Of one personal list: rows that came back, and different items that are left for ranking."""
    CANDIDATES.labels("retrieved").observe(retrieved)
    CANDIDATES.labels("left").observe(left)
