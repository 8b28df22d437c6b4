"""Events of right now → Event rows. `record_event` is the one function for a shop's own Python code.

A view is counted once: by the shop's `item_viewed` signal, or, on pages that a cache answers, by the beacon from an
element marked `data-recommender-view`; never by both. Clicks come from the beacon, carts and purchases from the shop.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpRequest

from recommender.capture.impressions import shown
from recommender.capture.rows import KIND_CODES, Draft, Refusal, check_rows
from recommender.capture.tables import KINDS, ItemId
from recommender.capture.visitor import hold_visitor, visitor_of
from recommender.catalog import key_field
from recommender.exceptions import EventRefused
from recommender.models import Event, Visitor


@dataclass(frozen=True, slots=True)
class RecordResult:
    """received = stored + duplicates + refused, always."""

    stored: int
    duplicates: int
    refused: list[Refusal]

    @property
    def received(self) -> int:
        return self.stored + self.duplicates + len(self.refused)


def record_event(
    by: Visitor | HttpRequest,
    item: Model | ItemId | UUID,
    kind: str | int,
    *,
    quantity: int = 1,
    value_cents: int | None = None,
    at: datetime | None = None,
    id: UUID | None = None,
    token: str | None = None,
    doubt: int = Event.Doubt.NONE,
) -> bool:
    """Record one act of a visitor, or of whoever sent the request.

    Args:
        kind: "view", "click", "cart" or "purchase", or its `Event.Kind`.
        value_cents: money of all pieces together.
        at: aware; now, where it is left out.
        id: UUIDv7 that names the act for ever; give one where the call may be repeated.
        doubt: an `Event.Doubt`, where the act is hardly a person's.
    Returns:
        False where an event with this id is stored already, and for a request without consent.
    Raises:
        NoConsent: this visitor's account has chosen not to be remembered.
        EventRefused: the event cannot be: an unknown item, a time in the future, no pieces.
    """
    row = {"id": id, "item": item_of(item), "kind": KINDS.get(kind, kind) if isinstance(kind, int) else kind}
    row |= {"quantity": quantity, "value_cents": value_cents, "at": at, "token": token}
    result = record_events(by, [row], source=Event.Source.SHOP, doubt=doubt)
    for refusal in result.refused:
        raise EventRefused(refusal.code, refusal.reason)
    return result.stored == 1


def record_events(
    by: Visitor | HttpRequest,
    rows: Sequence[Mapping[str, Any]],
    *,
    source: int,
    kinds: Collection[str] = KIND_CODES,
    doubt: int = Event.Doubt.NONE,
) -> RecordResult:
    """Check every row by itself and store the valid ones; a request gets its visitor only when there are any."""
    checked = check_rows(rows, kinds=kinds)
    if not checked.drafts:
        return RecordResult(0, 0, checked.refused)
    visitor = by if isinstance(by, Visitor) else visitor_of(by, create=True)
    if visitor is None:  # has not agreed to be remembered: nothing was received
        return RecordResult(0, 0, [])
    stored = store_events(visitor, checked.drafts, source=source, doubt=doubt)
    return RecordResult(stored, len(checked.drafts) - stored, checked.refused)


@transaction.atomic
def store_events(visitor: Visitor, drafts: Sequence[Draft], *, source: int, doubt: int = Event.Doubt.NONE) -> int:
    """Store drafts whose id is new, in one statement; how many they were.

    Raises:
        VisitorNotFound: the visitor was joined to an account or erased in the meantime; nothing was stored.
        NoConsent: the account that it belongs to has chosen not to be remembered.
    """
    forgotten_until = hold_visitor(visitor)
    # Sorted by id: two batches that insert the same ids in different orders would dead-lock.
    rows = [
        _row(visitor, draft, source, doubt)
        for draft in sorted(drafts, key=lambda draft: draft.id)
        if forgotten_until is None or draft.at > forgotten_until
    ]
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_insert(), [visitor.pk, source, *(list(column) for column in zip(*rows, strict=True))])
        stored: int = cursor.rowcount
    return stored


def item_of(item: object) -> object:
    """The key of an item, or the key itself."""
    return item.pk if isinstance(item, Model) else item


def _insert() -> str:
    """One statement for any number of rows, with one array a column."""
    return (
        f"INSERT INTO {Event._meta.db_table}"  # noqa: S608  names of our own
        " (visitor_id, source, id, item_id, kind, at, quantity, value_cents, impression, doubt)"
        " SELECT %s, %s, * FROM unnest("
        f"%s::uuid[], %s::{key_field().rel_db_type(connection)}[], %s::smallint[], %s::timestamptz[], %s::integer[],"
        " %s::bigint[], %s::jsonb[], %s::smallint[]) ON CONFLICT DO NOTHING"
    )


def _row(visitor: Visitor, draft: Draft, source: int, doubt: int) -> tuple[Any, ...]:
    """The values of one event, in the order of `_insert`."""
    place = shown(visitor, draft.item, draft.token)
    is_forgeable = source == Event.Source.BEACON and draft.kind == Event.Kind.CLICK
    return (
        draft.id,
        key_field().get_db_prep_value(draft.item, connection),
        draft.kind,
        draft.at,
        draft.quantity,
        draft.value_cents,
        json.dumps(place) if place else None,
        doubt or (Event.Doubt.NO_TOKEN if is_forgeable and place is None else Event.Doubt.NONE),
    )
