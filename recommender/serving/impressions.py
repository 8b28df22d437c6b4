"""The signed token of a list: it comes back with a click and proves what was shown, where and to whom."""

from collections.abc import Sequence

from uuid_utils.compat import uuid7

from recommender.serving.query import Entry, Query
from recommender.tokens import sign_impressions


def impression_token(query: Query, rung: str, version_id: int | None, entries: Sequence[Entry]) -> str:
    """Claims: visitor, list, placement, version, rung, and the item keys in slot order."""
    return sign_impressions(
        {
            "v": str(query.visitor.key) if query.visitor else "",
            "l": str(uuid7()),
            "p": query.placement,
            "m": version_id,
            "r": rung,
            "i": [str(entry.item.pk) for entry in entries],
        }
    )
