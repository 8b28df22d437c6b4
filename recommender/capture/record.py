"""Events of right now → Event rows. `record_event` is the one function for a shop's own Python code.

A view is counted once: by the shop's `item_viewed` signal, or, on pages that a cache answers, by the beacon from an
element marked `data-recommender-view`; never by both. Clicks come from the beacon, carts and purchases from the shop.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db.models import Model
from django.http import HttpRequest

from recommender.capture.away import AWAY
from recommender.capture.batch import NOBODY, Batch, Outcome, Sender
from recommender.capture.drafts import CheckedRows, Rejected
from recommender.capture.joins import owner_after_join
from recommender.capture.keep import keep
from recommender.capture.outage import database_is_away, in_time
from recommender.capture.rate_limit import Charge
from recommender.capture.rows import KIND_CODES, check_rows
from recommender.capture.sender import made_elsewhere, sender_of, sender_without_database
from recommender.capture.tables import KINDS, ItemId
from recommender.capture.visitor import forget_visitor, read_cookie
from recommender.exceptions import EventRefused, VisitorNotFound
from recommender.models import Event, Visitor

TOKEN: Final = re.compile(rb'"token"\s*:\s*"(?:[^"\\]|\\.)*"')  # also in a row that is no JSON


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
        NotKept: neither the database nor the disk takes it.
        EventRefused: the event cannot be: an unknown item, a time in the future, no pieces.
    """
    row = {"id": id, "item": item_of(item), "kind": KINDS.get(kind, kind) if isinstance(kind, int) else kind}
    row |= {"quantity": quantity, "value_cents": value_cents, "at": at, "token": token}
    result = record_events(by, [row], source=Event.Source.SHOP, doubt=doubt, keeps=False)
    for refusal in result.refused:
        raise EventRefused(refusal.code, refusal.reason)
    return result.stored + result.spilled == 1


def record_events(
    by: Visitor | HttpRequest,
    rows: Sequence[Mapping[str, Any]],
    *,
    source: int,
    kinds: Collection[str] = KIND_CODES,
    doubt: int = Event.Doubt.NONE,
    keeps: bool = True,
) -> Outcome:
    """Check every row by itself and store the valid ones; a request gets its visitor only when there are any.

    Args:
        keeps: rows that are rejected go to quarantine.
    """
    return deliver(by, check_rows(rows, kinds=kinds), source=source, doubt=doubt, keeps=keeps)


def deliver(
    by: Visitor | HttpRequest,
    checked: CheckedRows,
    *,
    source: int,
    doubt: int,
    keeps: bool = True,
    seen: Any = (),
    charge: Charge | None = None,
    sender: Sender | None = None,
) -> Outcome:
    """Find the sender of checked rows and keep them; without consent nothing was received.

    Args:
        seen: rows of seen slots, which are kept with the events while the database is away.
        sender: who sent the request, where the cookie says it.
    Raises:
        VisitorNotFound, NoConsent: the visitor that was given is gone, or its account wants no memory.
        TooFast: the buckets of `charge` have no room for it; nothing was stored.
        NotKept: neither the database nor the disk takes them.
    """

    def send(sender: Sender | None, charge: Charge | None, trusts_cookie: bool = True) -> Outcome:
        rejected = checked.rejected
        if not checked.drafts and not seen and not isinstance(by, Visitor):
            sender, rejected = NOBODY, list(map(_of_nobody, rejected))
        sender = sender or _sender(by, doubt, trusts_cookie)
        if sender is None:
            return Outcome(0)
        batch = Batch(
            sender,
            int(source),
            len(checked.drafts) + len(rejected),
            checked.clock.now,
            checked.clock.skew_seconds,
            checked.drafts,
            rejected,
            int(doubt),
            keeps,
            seen=list(seen),
            charge=charge,
        )
        return keep(batch)

    try:
        return send(sender, charge)
    except VisitorNotFound:
        if isinstance(by, Visitor):
            raise
        # Joined or erased since it was looked up, by another tab: the browser is known by its new name now, or what it
        # did before its login came late.
        owner = owner_after_join(read_cookie(getattr(by, "_request", by))[0], checked.drafts)
        forget_visitor(by)
        # What was charged is charged.
        return send(Sender(owner.key) if owner else made_elsewhere(by), None, trusts_cookie=False)


def _of_nobody(row: Rejected) -> Rejected:
    """The row without its token, which holds the key of a visitor: what is of nobody goes with nobody's erasure."""
    return msgspec.structs.replace(row, raw=TOKEN.sub(b'"token": null', row.raw))


def _sender(by: Visitor | HttpRequest, doubt: int, trusts_cookie: bool) -> Sender | None:
    """The sender, with or without the database, and never waiting long for it."""
    if isinstance(by, Visitor):
        return Sender(by.key)
    is_crawler = doubt == Event.Doubt.CRAWLER
    if not database_is_away():
        with suppress(*AWAY), in_time():
            return sender_of(by, is_crawler=is_crawler, trusts_cookie=trusts_cookie)
    return sender_without_database(by, is_crawler=is_crawler)


def item_of(item: object) -> object:
    """The key of an item, or the key itself."""
    return item.pk if isinstance(item, Model) else item
