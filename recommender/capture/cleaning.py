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
# Few visitors have so many events at all: only theirs are counted by the minute.
_INHUMAN: Final = """
SELECT visitor_id, sum(events)::bigint AS events FROM (
    SELECT visitor_id, count(*) AS events FROM {events}
    WHERE {browsed} AND visitor_id IN (
        SELECT visitor_id FROM {events} WHERE {browsed} GROUP BY visitor_id HAVING count(*) > {most}
    ) GROUP BY visitor_id, date_bin('1 minute', at, '2000-01-01 00:00+00')
) AS minute GROUP BY visitor_id HAVING max(events) > {most}
"""
_BROWSED: Final = "kind IN ({view}, {click}) AND doubt = 0 AND source <> {bulk} AND {period}"
# A join, not IN: Postgres hashes that only where it expects few of them.
_JUDGED: Final = "{events} AS event LEFT JOIN ({inhuman}) AS inhuman USING (visitor_id)"
_IS_INHUMAN: Final = "inhuman.visitor_id IS NOT NULL AND kind <> {purchase}"
_LEFT_OUT: Final = """
SELECT CASE WHEN doubt <> 0 THEN doubt::text WHEN shop_key IS NULL THEN {no_item} ELSE {fast} END AS why, count(*)
FROM {judged} LEFT JOIN (SELECT {key} AS shop_key FROM {table}) AS item ON shop_key = item_id
WHERE {period} AND (doubt <> 0 OR shop_key IS NULL OR {is_inhuman}) GROUP BY 1
"""


def before(until: datetime | None) -> sql.Composable:
    """Condition: happened before `until`, or at any time."""
    return sql.SQL("true") if until is None else sql.SQL("at < {}").format(sql.Literal(until))


def inhuman_visitors(period: sql.Composable) -> sql.Composed:
    """Query (visitor_id, events): who viewed or clicked more than HUMAN_PER_MINUTE times in a minute, and how often.

    Args:
        period: condition on `at`.
    """
    browsed = sql.SQL(_BROWSED).format(
        view=sql.Literal(VIEW), click=sql.Literal(CLICK), bulk=sql.Literal(Event.Source.BULK.value), period=period
    )
    return sql.SQL(_INHUMAN).format(events=_events(), browsed=browsed, most=sql.Literal(HUMAN_PER_MINUTE))


def judged_events(until: datetime | None) -> tuple[sql.Composed, sql.Composed]:
    """(what stands behind FROM, condition): the events of existing items that a training before `until` learns from.

    What an inhuman visitor bought stays: the shop itself says so.
    """
    return _judged(until), sql.SQL("doubt = 0 AND {} AND NOT ({})").format(before(until), _is_inhuman())


def count_left_out(until: datetime | None = None) -> dict[str, int]:
    """Events before `until` by why `export_events` leaves them out; the most frequent reason first.

    Keys: the names of `Event.Doubt` in lower case, NO_ITEM, INHUMAN.
    """
    query = sql.SQL(_LEFT_OUT).format(
        judged=_judged(until),
        **item_names(),
        no_item=sql.Literal(NO_ITEM),
        fast=sql.Literal(INHUMAN),
        is_inhuman=_is_inhuman(),
        period=before(until),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = sorted(cursor.fetchall(), key=lambda row: (-row[1], row[0]))
    return {Event.Doubt(int(why)).name.lower() if why.isdigit() else why: events for why, events in found}


def item_names() -> dict[str, sql.SQL]:
    """{key} and {table} of the shop's items, quoted as Django does, which lets a shop name a schema in `db_table`."""
    meta: Any = item_model()._meta
    names = {"key": meta.pk.column, "table": meta.db_table}
    return {name: sql.SQL(connection.ops.quote_name(each)) for name, each in names.items()}


def _judged(until: datetime | None) -> sql.Composed:
    return sql.SQL(_JUDGED).format(events=_events(), inhuman=inhuman_visitors(before(until)))


def _is_inhuman() -> sql.Composed:
    return sql.SQL(_IS_INHUMAN).format(purchase=sql.Literal(PURCHASE))


def _events() -> sql.Identifier:
    return sql.Identifier(Event._meta.db_table)
