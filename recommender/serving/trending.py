"""What more visitors take than usual: the newest quarter of the last four weeks against the three before."""

from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from recommender.conf import min_buyers
from recommender.models import Event, SavedFilter
from recommender.serving.popular import REMEMBERED, Scored, cached, only_available

WEEKS: Final = 4
COUNTED_EVENTS: Final = 50_000  # newest ones; a shop with more of them looks at fewer days
CACHE_SECONDS: Final = 300.0

# A visitor counts an item once, so one who comes often moves nothing alone.
_STATEMENT: Final = f"""
WITH newest AS (
    SELECT item_id, visitor_id, at FROM {Event._meta.db_table}
    WHERE at >= %s AND doubt = 0 ORDER BY at DESC LIMIT %s
), span AS (SELECT max(at) - (max(at) - min(at)) / {WEEKS} AS middle FROM newest)
SELECT item_id,
    count(DISTINCT visitor_id) FILTER (WHERE at > middle),
    count(DISTINCT visitor_id) FILTER (WHERE at <= middle)
FROM newest, span GROUP BY item_id
"""  # noqa: S608  a name of our own


def trending_items(within: SavedFilter | None = None) -> Scored:
    """Best first, up to CACHE_SECONDS old: (item key, how many standard deviations above the usual number of visitors).

    Only what at least MIN_BUYERS visitors took lately, and more than would be expected.
    """
    return cached("trending", within, lambda: only_available(_by_events(), within)[:REMEMBERED], CACHE_SECONDS)


def _by_events() -> Scored:
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [timezone.now() - timedelta(weeks=WEEKS), COUNTED_EVENTS])
        rows: list[tuple[Any, int, int]] = cursor.fetchall()
    lately, before = sum(row[1] for row in rows), sum(row[2] for row in rows)
    usual = lately / before if before else 0.0
    scored = [(key, _excess(new, old * usual)) for key, new, old in rows if new >= min_buyers()]
    scored = [pair for pair in scored if pair[1] > 0]
    return sorted(scored, key=lambda pair: -pair[1])[: 2 * REMEMBERED]


def _excess(seen: int, expected: float) -> float:
    """Standard deviations of a Poisson count above what was expected; one visitor more tames rare items."""
    return float((seen - expected) / (expected + 1.0) ** 0.5)
