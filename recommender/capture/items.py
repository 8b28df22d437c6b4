"""The shop's keys on their way in and out of Django."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError

from recommender.capture.tables import ItemId
from recommender.catalog import all_items, item_key, key_field

KEYS_PER_QUERY: Final = 10_000  # a statement takes 65,535 parameters at most where they are bound by the server
KEYS_REMEMBERED: Final = 50_000  # of the shop, about 10 MB
SHORT: Final = 64  # characters of text, bits of a number: longer ones, which anybody may send, are not remembered


def item_id(key: Any) -> ItemId:
    """The shop's key as it travels outside Django: integers as they are, everything else as text."""
    return key if isinstance(key, int) else str(key)


def key_or_none(raw: object, field: Any = None) -> Any:
    """The shop's key in its own type, None where no key looks like that; the item may not exist.

    Args:
        field: `key_field()`, where it was looked up already.
    """
    try:
        if isinstance(raw, str):
            raw.encode()  # half of a surrogate pair is text for Python and for JSON, but not for a database
        # The type too: 1, 1.0 and True are equal, but one of them only is a key.
        return _remembered(field or key_field(), type(raw).__name__, raw) if _is_short(raw) else item_key(raw)
    except (ValidationError, UnicodeEncodeError):
        return None


def _is_short(raw: object) -> bool:
    if isinstance(raw, int):
        return raw.bit_length() <= SHORT
    return isinstance(raw, UUID) or (isinstance(raw, str) and len(raw) <= SHORT)


@lru_cache(maxsize=KEYS_REMEMBERED)
def _remembered(field: object, kind: str, raw: object) -> Any:
    """`item_key`, whose validators take longer than all other checks of an event together."""
    return item_key(raw)


def existing_keys(keys: Sequence[Any]) -> set[Any]:
    """Those of the shop's keys whose item is in the database, available or not."""
    items = all_items().order_by()
    chunks = (keys[start : start + KEYS_PER_QUERY] for start in range(0, len(keys), KEYS_PER_QUERY))
    return {key for chunk in chunks for key in items.filter(pk__in=chunk).values_list("pk", flat=True)}
