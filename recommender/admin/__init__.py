"""Django admin for a shop owner: training runs, versions, events, visitors, API keys."""

from recommender.admin import api_keys, events, ledger, runs, versions, visitors

__all__ = ["api_keys", "events", "ledger", "runs", "versions", "visitors"]
