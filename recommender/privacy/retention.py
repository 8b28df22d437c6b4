"""What goes by itself, every half hour: events past their time, ids of visits that are over, old notes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from recommender.capture.partitions import drop_before
from recommender.conf import conf
from recommender.models import Event, Tombstone, Visitor, VisitorJoin

ROWS_PER_DELETE: Final = 20_000  # a statement each, so that no lock is held for long
RETENTION: Final = {
    Event.Kind.VIEW: "VIEW_RETENTION_DAYS",
    Event.Kind.CLICK: "CLICK_RETENTION_DAYS",
    Event.Kind.CART: "CART_RETENTION_DAYS",
    Event.Kind.PURCHASE: "PURCHASE_RETENTION_DAYS",
}


@dataclass(frozen=True, slots=True)
class Expired:
    """How many went: whole months, single events, visitors without any, ids of visits that are over, notes."""

    months: int
    events: int
    visitors: int
    sessions: int
    notes: int


def expire() -> Expired:
    """Safe to call at any time, any number of times; what was cut off is continued by the next call.

    Raises:
        OperationalError: a long reader holds the event table; the next call tries again.
    """
    now = timezone.now()
    sessions, notes = end_sessions(now), _drop_notes(now)
    events = sum(_delete_events(kind, now) for kind in RETENTION)
    days = [getattr(conf, name) for name in RETENTION.values()]
    if not any(days):
        return Expired(0, events, 0, sessions, notes)
    longest = now - timedelta(days=max(days))  # of the kinds that are not kept for ever
    months = len(drop_before(longest)) if all(days) else 0
    return Expired(months, events, _delete_visitors(longest), sessions, notes)


def end_sessions(now: datetime) -> int:
    """Give visitors of the level "session" a key that no cookie holds, once their visit is over; how many.

    Their events stay for training, as of somebody whom nobody can find again.
    """
    limit = now - timedelta(hours=conf.SESSION_ID_HOURS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Visitor._meta.db_table} AS visitor"  # noqa: S608  names of our own
            " SET key = gen_random_uuid(), consent = NULL, forgotten_until = NULL"
            " WHERE consent = 1 AND user_id IS NULL AND created_at < %s AND NOT EXISTS"
            f" (SELECT FROM {Event._meta.db_table} WHERE visitor_id = visitor.id AND at >= %s)",
            [limit, limit],
        )
        return int(cursor.rowcount)


def _delete_events(kind: Event.Kind, now: datetime) -> int:
    days = getattr(conf, RETENTION[kind])
    if not days:
        return 0
    limit = now - timedelta(days=days)

    def delete() -> int:
        oldest = Event.objects.filter(kind=kind, at__lt=limit).order_by("at").values("pk")[:ROWS_PER_DELETE]
        return Event.objects.filter(pk__in=list(oldest.values_list("pk", flat=True))).delete()[0]

    return _until_none_is_left(delete)


def _delete_visitors(limit: datetime) -> int:
    """Browsers that came before `limit` and have no event left."""

    def delete() -> int:
        old = Visitor.objects.filter(user=None, created_at__lt=limit, events=None)
        keys = list(old.values_list("pk", flat=True)[:ROWS_PER_DELETE])
        return Visitor.objects.filter(pk__in=keys, events=None).delete()[1].get(Visitor._meta.label, 0)

    return _until_none_is_left(delete)


def _drop_notes(now: datetime) -> int:
    """Joins that can no longer be undone, tombstones of ids that no cookie can hold any more."""
    joins = VisitorJoin.objects.filter(joined_at__lt=now - timedelta(days=conf.UNDO_JOIN_DAYS))
    return joins.delete()[0] + Tombstone.objects.filter(expires_at__lt=now).delete()[0]


def _until_none_is_left(delete: Callable[[], int]) -> int:
    total = 0
    while deleted := delete():
        total += deleted
    return total
