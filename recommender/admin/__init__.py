"""Django admin for a shop owner: training runs, versions, events, visitors, API keys, audit."""

from recommender.admin import (
    api_keys,
    audit,
    events,
    experiments,
    ledger,
    placements,
    rules,
    runs,
    saved_filters,
    versions,
    visitors,
)

__all__ = [
    "api_keys",
    "audit",
    "events",
    "experiments",
    "ledger",
    "placements",
    "rules",
    "runs",
    "saved_filters",
    "versions",
    "visitors",
]
