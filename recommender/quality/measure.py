"""What the report is made of: a few aggregates over the events of some days, cut off where they take too long."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg
from django.db import OperationalError, connection
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone
from psycopg import sql

from recommender.capture.cleaning import inhuman_visitors
from recommender.capture.ledger import COUNTS, lines
from recommender.capture.tables import CLICK
from recommender.catalog import all_items, get_catalog, shop_items
from recommender.exceptions import ReportTooSlow
from recommender.index.reading import reading
from recommender.models import Event, QuarantinedEvent, Visitor
from recommender.quality.catalogue import Catalogue, read_catalogue
from recommender.quality.gaps import HOUR, Gap, find_gaps

STATEMENT_MS: Final = 10_000
WORK_MEM: Final = "64MB"  # of one connection, for a second: groups of a year's visitors stay off the disk
EXAMPLES: Final = 3  # of visitors that are named
SKEWS: Final = (-86_400, -3_600, -60, -5, 6, 61, 3_601, 86_401)  # seconds: lower bounds of all buckets but the first

_BY_HOUR: Final = """
SELECT date_bin('1 hour', at, '2000-01-01 00:00+00'), kind, doubt, count(*),
    count(*) FILTER (WHERE kind = {click} AND source = {beacon}),
    count(*) FILTER (WHERE kind = {click} AND source = {beacon} AND impression IS NULL)
FROM {events} WHERE at >= {since} AND at < {until} GROUP BY 1, 2, 3
"""
_SKEW: Final = """
SELECT width_bucket(clock_skew_seconds, {bounds}::integer[]) AS bucket, count(*)
FROM {events} WHERE at >= {since} AND at < {until} AND clock_skew_seconds IS NOT NULL GROUP BY 1
"""
_INHUMAN: Final = """
SELECT key::text, events, count(*) OVER (), sum(events) OVER ()
FROM ({inhuman}) AS fast JOIN {visitors} AS visitor ON visitor.id = visitor_id ORDER BY events DESC LIMIT {most}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers about the events of `days` days up to `until`, and about the catalogue.

    Attributes:
        volumes: day → kind → events.
        doubts: `Event.Doubt` → events.
        clicks, untold_clicks: from browsers; those without a valid impression token.
        ledger: received, stored, duplicate, quarantined, refused → rows. difference: of the ledger, 0 or it is broken.
        quarantine: reason → rows, the most frequent first.
        inhuman_visitors, inhuman_events: see `cleaning`; inhuman_keys: of the busiest ones.
        lost_items, lost_item_events: items in events that the shop does not have, and their events.
        unseen_items, available_items: that nobody did anything with; that may be shown.
        skews: events by bucket of SKEWS, our clock minus the browser's.
    """

    days: int
    until: datetime
    volumes: dict[date, dict[int, int]]
    doubts: dict[int, int]
    clicks: int
    untold_clicks: int
    gaps: list[Gap]
    ledger: dict[str, int]
    difference: int
    quarantine: dict[str, int]
    inhuman_visitors: int
    inhuman_events: int
    inhuman_keys: list[str]
    lost_items: int
    lost_item_events: int
    unseen_items: int
    available_items: int
    skews: list[int]
    catalogue: Catalogue

    @property
    def events(self) -> int:
        return sum(self.doubts.values())


def measure(days: int) -> Measured:
    """Count; each statement may take STATEMENT_MS.

    Args:
        days: how far back, 1 or more.
    Raises:
        ReportTooSlow: a statement took longer.
    """
    until = timezone.now()
    since = until - timedelta(days=days)
    try:
        with reading(STATEMENT_MS), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEM])
            values = _of_hours(since, until) | _of_rows(since, until, days) | _of_items(since)
            return Measured(days=days, until=until, **values)
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise ReportTooSlow(ReportTooSlow.__doc__) from error
        raise


def _of_hours(since: datetime, until: datetime) -> dict[str, Any]:
    beacon = sql.Literal(Event.Source.BEACON.value)
    rows = _rows(_BY_HOUR, since, until, click=sql.Literal(CLICK), beacon=beacon)
    volumes: dict[date, dict[int, int]] = {}
    doubts: dict[int, int] = {}
    for hour, kind, doubt, events, _clicks, _untold in rows:
        day = volumes.setdefault(hour.astimezone(UTC).date(), {})
        day[kind] = day.get(kind, 0) + events
        doubts[doubt] = doubts.get(doubt, 0) + events
    return {
        "volumes": dict(sorted(volumes.items())),
        "doubts": doubts,
        "clicks": sum(row[4] for row in rows),
        "untold_clicks": sum(row[5] for row in rows),
        "gaps": _gaps([(int(row[0].timestamp()) // HOUR, row[3]) for row in rows], until),
    }


def _gaps(by_hour: list[tuple[int, int]], until: datetime) -> list[Gap]:
    """From the first event on; the hour that is not over yet tells nothing."""
    now = int(until.timestamp()) // HOUR
    first = min((hour for hour, _events in by_hour), default=now)
    events = np.zeros(now - first, dtype=np.int64)
    for hour, count in by_hour:
        if hour - first < len(events):
            events[hour - first] += count
    return find_gaps(first, events)


def _of_rows(since: datetime, until: datetime, days: int) -> dict[str, Any]:
    """The books, the quarantine, who is too fast, and whose clock is wrong."""
    booked = lines(days)
    quarantine = QuarantinedEvent.objects.filter(received_at__gte=since).values_list("code")
    fast = _rows(
        _INHUMAN,
        since,
        until,
        inhuman=inhuman_visitors(sql.SQL("at >= {} AND at < {}").format(sql.Literal(since), sql.Literal(until))),
        visitors=sql.Identifier(Visitor._meta.db_table),
        most=sql.Literal(EXAMPLES),
    )
    skews = dict(_rows(_SKEW, since, until, bounds=sql.Literal(list(SKEWS))))
    return {
        "ledger": {name: sum(getattr(line, name) for line in booked) for name in COUNTS},
        "difference": sum(abs(line.difference) for line in booked),
        "quarantine": dict(quarantine.annotate(rows=Count("pk")).order_by("-rows", "code")),
        "inhuman_visitors": fast[0][2] if fast else 0,
        "inhuman_events": int(fast[0][3]) if fast else 0,
        "inhuman_keys": [row[0] for row in fast],
        "skews": [skews.get(bucket, 0) for bucket in range(len(SKEWS) + 1)],
    }


def _of_items(since: datetime) -> dict[str, Any]:
    recent = Event.objects.filter(at__gte=since)
    is_known = Exists(all_items().filter(pk=OuterRef("item_id")))
    lost = recent.filter(~is_known).aggregate(events=Count("pk"), items=Count("item_id", distinct=True))
    available = get_catalog().available(shop_items()).order_by()
    unseen = available.filter(~Exists(recent.filter(item_id=OuterRef("pk"))))
    return {
        "lost_items": lost["items"],
        "lost_item_events": lost["events"],
        "unseen_items": unseen.count(),
        "available_items": available.count(),
        "catalogue": read_catalogue(),
    }


def _rows(query: str, since: datetime, until: datetime, **names: sql.Composable) -> list[Any]:
    period = {"events": sql.Identifier(Event._meta.db_table), "since": sql.Literal(since), "until": sql.Literal(until)}
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(query).format(**period, **names))
        return list(cursor.fetchall())
