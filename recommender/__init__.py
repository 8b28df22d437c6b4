"""Recommendations for a Django shop: events in, vectors in Postgres, lists out."""

__version__ = "0.1.0"
