"""The shop's items by key, sold out or not: admin shows what happened, not what is for sale."""

from collections.abc import Iterable
from typing import Any

from recommender.catalog import get_catalog, item_model


def items_by_key(keys: Iterable[Any]) -> dict[Any, Any]:
    """key → item in one query; deleted ones are missing."""
    items = item_model()._base_manager.select_related(*get_catalog().select_related)
    return dict(items.in_bulk(set(keys)))
