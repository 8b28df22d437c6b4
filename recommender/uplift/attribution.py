"""Which list earned what: one statement over impressions and events → what each visitor of an experiment did.

A click or purchase is credited to the last list in which the visitor saw that item, at most ATTRIBUTION_DAYS before,
and a list earns an item once. A purchase counts as the list's where the visitor had clicked the item in a list inside
the same window; one that was only seen is assisted, and told apart: people also buy what they would have bought anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.experiments.assignment import HEX_DIGITS, HOLDOUT_SALT
from recommender.models import HOLDOUT_ARM, Event, Impression, Visitor

HISTORY: Final = timedelta(days=28)  # before the first list: what CUPED knows of a visitor
CLOCKS_DIFFER: Final = timedelta(minutes=1)  # a list is reported as seen a little after its first click
COLUMNS: Final = (
    "visitor",
    "arm",
    "is_two_armed",
    "is_doubtful",
    "slots",
    "clicks",
    "orders",
    "purchases",
    "revenue_cents",
    "assisted",
    "purchases_before",
    "unsigned_clicks",
)
_IMPRESSION, _EVENT = Impression._meta.db_table, Event._meta.db_table

# As `assignment.position`: the first 52 bits of the hash.
_POSITION: Final = f"""(
    SELECT ('x' || left(encode(sha256(convert_to(%(salt)s || ':' || key::text, 'UTF8')), 'hex'), {HEX_DIGITS}))
        ::bit({4 * HEX_DIGITS})::bigint / {16.0**HEX_DIGITS!r}::float8
    FROM {Visitor._meta.db_table} WHERE id = visitor_id
)"""  # noqa: S608  names of our own
# Purchases of one visitor in one minute are one order: a shop may record its lines one after the other.
_STATEMENT: Final = f"""
WITH seen AS MATERIALIZED (
    SELECT visitor_id, {{arm}} AS arm, list_id, items, slots, seen_at, doubt
    FROM {_IMPRESSION} WHERE {{chosen}}
), visitor AS MATERIALIZED (
    SELECT visitor_id, (array_agg(arm ORDER BY seen_at, list_id))[1] AS arm, min(arm) <> max(arm) AS is_two_armed,
        bool_and(doubt <> 0) AS is_doubtful, min(seen_at) AS first_at,
        coalesce(sum(cardinality(slots)) FILTER (WHERE doubt = 0), 0) AS slots
    FROM seen GROUP BY visitor_id
), event AS MATERIALIZED (
    SELECT own.id, own.visitor_id, own.item_id::text AS item, own.kind, own.at, own.value_cents, own.doubt
    FROM {_EVENT} AS own JOIN visitor USING (visitor_id)
    WHERE own.at >= (SELECT min(first_at) FROM visitor) - %(clocks)s AND own.at >= first_at - %(clocks)s
        AND own.kind IN ({Event.Kind.CLICK}, {Event.Kind.PURCHASE})
), credit AS MATERIALIZED (  -- the last list in which the item was seen
    SELECT DISTINCT ON (event.id) event.*, list_id
    FROM event JOIN seen ON seen.visitor_id = event.visitor_id AND seen.doubt = 0
        AND event.at BETWEEN seen_at - %(clocks)s AND seen_at + %(window)s
        AND array_position(items, item) = ANY (seen.slots)
    WHERE event.doubt = 0 ORDER BY event.id, seen_at DESC
), act AS MATERIALIZED (  -- by a window: a join of credits with clicks was planned as a nested loop
    SELECT *, count(*) FILTER (WHERE kind = {Event.Kind.CLICK}) OVER (PARTITION BY visitor_id, item ORDER BY at
        RANGE BETWEEN %(window)s PRECEDING AND %(clocks)s FOLLOWING) > 0 AS is_clicked
    FROM credit
), purchase AS (  -- a list earns an item once: its first purchase
    SELECT DISTINCT ON (visitor_id, list_id, item) visitor_id, at, coalesce(value_cents, 0) AS value_cents, is_clicked
    FROM act WHERE kind = {Event.Kind.PURCHASE} ORDER BY visitor_id, list_id, item, at
), earned AS (
    SELECT visitor_id, count(DISTINCT date_trunc('minute', at)) FILTER (WHERE is_clicked) AS orders,
        count(*) FILTER (WHERE is_clicked) AS purchases, count(*) FILTER (WHERE NOT is_clicked) AS assisted,
        sum(value_cents) FILTER (WHERE is_clicked) AS revenue_cents
    FROM purchase GROUP BY visitor_id
), clicked AS (
    SELECT visitor_id, count(DISTINCT (list_id, item)) AS clicks FROM act
    WHERE kind = {Event.Kind.CLICK} GROUP BY visitor_id
), unsigned AS (
    SELECT visitor_id, count(*) AS clicks FROM event WHERE doubt = {Event.Doubt.NO_TOKEN} GROUP BY visitor_id
), history AS (
    SELECT visitor_id, count(*) AS purchases FROM {_EVENT} AS own JOIN visitor USING (visitor_id)
    WHERE own.kind = {Event.Kind.PURCHASE} AND own.doubt = 0
        AND own.at >= (SELECT min(first_at) FROM visitor) - %(history)s
        AND own.at >= first_at - %(history)s AND own.at < first_at - %(clocks)s
    GROUP BY visitor_id
)
SELECT visitor_id, arm, is_two_armed, is_doubtful, slots, coalesce(clicked.clicks, 0), coalesce(orders, 0),
    coalesce(earned.purchases, 0), coalesce(revenue_cents, 0), coalesce(assisted, 0), coalesce(history.purchases, 0),
    coalesce(unsigned.clicks, 0)
FROM visitor LEFT JOIN earned USING (visitor_id) LEFT JOIN clicked USING (visitor_id)
    LEFT JOIN unsigned USING (visitor_id) LEFT JOIN history USING (visitor_id)
"""  # noqa: S608  names and numbers of our own


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What visitors did, a row each.

    Attributes:
        table: column of COLUMNS → [visitors] float64.
    """

    table: dict[str, NDArray[np.float64]]

    def counted(self, arm: int) -> dict[str, NDArray[np.float64]]:
        """The columns of an arm's visitors, without the doubtful; whoever was in two arms belongs to the first."""
        table = self.table
        chosen = (table["arm"] == arm) & (table["is_doubtful"] == 0)
        return {name: values[chosen] for name, values in table.items()}

    @property
    def left_out(self) -> dict[str, int]:
        """How many were left out, and why; and how many were in two arms."""
        return {
            "two_armed_visitors": int(self.table["is_two_armed"].sum()),
            "doubtful_visitors": int(self.table["is_doubtful"].sum()),
            "unsigned_clicks": int(self.table["unsigned_clicks"].sum()),
        }


def outcomes(arms: Sequence[int]) -> Outcomes:
    """Of every visitor who saw a list of one of the `arms`."""
    return _outcomes("arm_id", "arm_id = ANY (%(arms)s)", {"arms": list(arms)})


def outcomes_of_holdout() -> Outcomes:
    """Of everybody: arm HOLDOUT_ARM for the holdout visitors, 1 for all others, in whatever experiment.

    By the visitor's key, not by what a list says of itself: the first one is often made before there is a visitor.
    """
    return _outcomes(
        f"CASE WHEN {_POSITION} < %(share)s THEN {HOLDOUT_ARM} ELSE 1 END",
        "true",
        {"salt": HOLDOUT_SALT, "share": conf.HOLDOUT_VISITORS_SHARE},
    )


def _outcomes(arm: str, chosen: str, parameters: dict[str, Any]) -> Outcomes:
    window = timedelta(days=conf.ATTRIBUTION_DAYS)
    parameters |= {"window": window, "clocks": CLOCKS_DIFFER, "history": HISTORY}
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT.format(arm=arm, chosen=chosen), parameters)
        rows = cursor.fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
    return Outcomes({name: np.array(values, np.float64) for name, values in zip(COLUMNS, columns, strict=True)})
