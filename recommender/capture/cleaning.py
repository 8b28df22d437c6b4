"""Which events a training leaves out, and why: doubted ones, those of items that are gone, and inhuman browsing."""

from datetime import datetime
from typing import Any, Final

from django.db import connection
from psycopg import sql

from recommender.capture.tables import CLICK, PURCHASE, VIEW
from recommender.catalog import item_model
from recommender.models import Event

# A page a second for a minute. The door flags only what is faster than half of VISITOR_EVENTS_PER_MINUTE.
HUMAN_PER_MINUTE: Final = 60
NO_ITEM: Final = "no_item"
INHUMAN: Final = "inhuman"

# Views and clicks only: a till scans its baskets as fast as this. An import may know no more than the day.
_INHUMAN: Final = """
SELECT visitor_id, sum(events)::bigint AS events FROM (
    SELECT visitor_id, count(*) AS events FROM {events}
    WHERE kind IN ({view}, {click}) AND doubt = 0 AND source <> {bulk} AND {period}
    GROUP BY visitor_id, floor(extract(epoch FROM at) / 60)
) AS minute GROUP BY visitor_id HAVING max(events) > {most}
"""
_LEFT_OUT: Final = """
WITH inhuman AS MATERIALIZED ({inhuman})
SELECT CASE WHEN doubt <> 0 THEN doubt::text WHEN item.{key} IS NULL THEN 'no_item' ELSE 'inhuman' END AS why,
    count(*)
FROM {events} LEFT JOIN {items} AS item ON item.{key} = item_id
WHERE {period} AND (doubt <> 0 OR item.{key} IS NULL
    OR (kind <> {purchase} AND visitor_id IN (SELECT visitor_id FROM inhuman)))
GROUP BY 1
"""


def before(until: datetime | None) -> sql.Composable:
    """Condition: happened before `until`, or at any time."""
    return sql.SQL("true") if until is None else sql.SQL("at < {}").format(sql.Literal(until))


def inhuman_visitors(period: sql.Composable) -> sql.Composed:
    """Query (visitor_id, events): who viewed or clicked more than HUMAN_PER_MINUTE times in a minute, and how often.

    Args:
        period: condition on `at`.
    """
    return sql.SQL(_INHUMAN).format(
        events=_events(),
        view=sql.Literal(VIEW),
        click=sql.Literal(CLICK),
        bulk=sql.Literal(Event.Source.BULK.value),
        most=sql.Literal(HUMAN_PER_MINUTE),
        period=period,
    )


def trained(until: datetime | None) -> sql.Composed:
    """Condition on an event of an item that exists: a training before `until` learns from it.

    What an inhuman visitor bought stays: the shop itself says so.
    """
    return sql.SQL(
        "doubt = 0 AND {} AND (kind = {} OR visitor_id NOT IN (SELECT visitor_id FROM ({}) AS fast))"
    ).format(before(until), sql.Literal(PURCHASE), inhuman_visitors(before(until)))


def count_left_out(until: datetime | None = None) -> dict[str, int]:
    """Events before `until` by why `export_events` leaves them out; the most frequent reason first.

    Keys: the names of `Event.Doubt` in lower case, NO_ITEM, INHUMAN.
    """
    meta: Any = item_model()._meta
    query = sql.SQL(_LEFT_OUT).format(
        inhuman=inhuman_visitors(before(until)),
        events=_events(),
        items=sql.Identifier(meta.db_table),
        key=sql.Identifier(meta.pk.column),
        purchase=sql.Literal(PURCHASE),
        period=before(until),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = sorted(cursor.fetchall(), key=lambda row: (-row[1], row[0]))
    return {Event.Doubt(int(why)).name.lower() if why.isdigit() else why: events for why, events in found}


def _events() -> sql.Identifier:
    return sql.Identifier(Event._meta.db_table)
