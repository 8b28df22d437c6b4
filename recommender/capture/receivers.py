"""The shop's signals → events. A failure here is logged and never reaches the shop, nor its transaction."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import SynchronousOnlyOperation
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from recommender.capture.batch import Outcome
from recommender.capture.bots import doubt_about
from recommender.capture.joins import log_in, log_out
from recommender.capture.record import item_of, record_events
from recommender.capture.tables import KINDS
from recommender.capture.visitor import forget_visitor
from recommender.models import Event
from recommender.savepoints import unharmed
from recommender.signals import item_added, item_viewed, order_placed

logger = logging.getLogger(__name__)


def shielded(handle: Callable[..., None]) -> Callable[..., None]:
    """Log what goes wrong, and undo only what the handler itself wrote: in a transaction it gets a savepoint."""

    @wraps(handle)
    def receive(sender: object, request: HttpRequest | None = None, **named: Any) -> None:
        try:
            with unharmed():
                handle(request, **named)
        except SynchronousOnlyOperation:
            logger.exception("An event of the shop was not recorded: an async view writes “await ….asend(…)”.")
        except Exception:
            # Anything may be wrong with what a shop sends; a lost event is better than a lost order.
            logger.exception("An event of the shop was not recorded.")
            if request is not None and isinstance(getattr(request, "_request", request), HttpRequest):
                forget_visitor(request)

    return receive


@receiver(item_viewed, dispatch_uid="recommender.item_viewed")
@shielded
def record_view(request: HttpRequest, *, item: Any, **named: Any) -> None:
    if request.method == "HEAD":
        return
    _record(request, item, Event.Kind.VIEW)


@receiver(item_added, dispatch_uid="recommender.item_added")
@shielded
def record_cart(request: HttpRequest, *, item: Any, quantity: int = 1, **named: Any) -> None:
    _record(request, item, Event.Kind.CART, quantity=quantity)


@receiver(order_placed, dispatch_uid="recommender.order_placed")
@shielded
def record_order(
    request: HttpRequest,
    *,
    order_id: object,
    lines: Iterable[tuple[Any, int, int | None]],
    at: datetime | None = None,
    **named: Any,
) -> None:
    """A checkout that is tried again sends the order again: the ids are made from it, so it is stored once."""
    rows = [
        {
            "id": order_event_id(order_id, item, at),
            "item": item,
            "kind": "purchase",
            "quantity": quantity,
            "value_cents": value_cents,
            "at": at,
        }
        for item, (quantity, value_cents) in _by_item(lines).items()
    ]
    result = record_events(request, rows, source=Event.Source.SHOP)
    _log_rejected(result, f"Order {order_id}", rows)


@receiver(user_logged_in, dispatch_uid="recommender.user_logged_in")
@shielded
def merge_history(request: HttpRequest | None, *, user: Any, **named: Any) -> None:
    if request is not None:
        log_in(request, user)


@receiver(user_logged_out, dispatch_uid="recommender.user_logged_out")
@shielded
def start_anew(request: HttpRequest | None, *, user: Any, **named: Any) -> None:
    if request is not None:
        log_out(request, user)


def _record(request: HttpRequest, item: Any, kind: Event.Kind, quantity: int = 1) -> None:
    row = {"item": item_of(item), "kind": KINDS[kind], "quantity": quantity}
    result = record_events(request, [row], source=Event.Source.SHOP, doubt=doubt_about(request))
    _log_rejected(result, KINDS[kind], [row])


def _log_rejected(result: Outcome, what: str, rows: list[dict[str, Any]]) -> None:
    for rejected in [*result.quarantined, *result.refused]:
        item = rows[rejected.index]["item"]
        logger.error("%s, item %s was not recorded, see the quarantine: %s", what, item, rejected.reason)


def order_event_id(order_id: object, item: object, at: datetime | None) -> UUID:
    """UUIDv7 of an order's item. Keyed, so that nobody can use up the id of an order to come.

    Its time is the order's where the shop sends one. A time of our own would differ between two tries, so without one
    it is 0: such ids are unique all the same, they only do not sort by time.
    """
    digest = salted_hmac("recommender.order", f"{order_id}\n{item}", algorithm="sha256").digest()
    milliseconds = int(at.timestamp() * 1_000) if at is not None else 0
    random = int.from_bytes(digest[:10], "big")
    version, variant = 7 << 76, 2 << 62
    random = random & ~(0xF << 76) & ~(0x3 << 62) | version | variant
    return UUID(int=milliseconds << 80 | random)


def _by_item(lines: Iterable[tuple[Any, int, int | None]]) -> dict[Any, tuple[int, int | None]]:
    """Item's key → pieces and money of the whole order: two lines of one item are one purchase of it."""
    totals: dict[Any, tuple[int, int | None]] = {}
    for item, quantity, value_cents in lines:
        key = item_of(item)
        pieces, cents = totals.get(key, (0, 0))
        totals[key] = (pieces + quantity, None if cents is None or value_cents is None else cents + value_cents)
    return totals
