"""What is popular today in its own category: a fact about the last 24 hours, for the reasons."""

import logging
from collections import Counter
from datetime import timedelta
from typing import Any, Final

from django.db import Error, connection
from django.utils import timezone

from recommender.catalog import all_items, get_catalog
from recommender.conf import min_buyers
from recommender.models import Event
from recommender.savepoints import unharmed
from recommender.serving.popular import Scored, cached
from recommender.serving.rungs import Unanswered

logger = logging.getLogger(__name__)

BEST: Final = 10  # of a category
COUNTED_EVENTS: Final = 50_000  # newest ones; a shop with more of them looks at fewer hours
CACHE_SECONDS: Final = 300.0

_STATEMENT: Final = f"""
SELECT item_id, count(DISTINCT visitor_id) FROM (
    SELECT item_id, visitor_id FROM {Event._meta.db_table}
    WHERE at >= %s AND doubt = 0 ORDER BY at DESC LIMIT %s
) AS newest
GROUP BY item_id HAVING count(DISTINCT visitor_id) >= %s ORDER BY 2 DESC
"""  # noqa: S608  a name of our own


def popular_today() -> frozenset[Any]:
    """Keys of the BEST items of each category by visitors within the last 24 hours, MIN_BUYERS at least; nothing
    where the catalogue names no category, and where the database does not say."""
    if get_catalog().category is None:
        return frozenset()
    try:
        with unharmed():
            return frozenset(key for key, _visitors in cached("today", None, _count, CACHE_SECONDS))
    except (Error, Unanswered):
        logger.warning("What is popular today could not be counted; no reason says so.", exc_info=True)
        return frozenset()


def _count() -> Scored:
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, [timezone.now() - timedelta(days=1), COUNTED_EVENTS, min_buyers()])
        counts: list[tuple[Any, int]] = cursor.fetchall()
    items = all_items().filter(pk__in=[key for key, _ in counts])
    category_of = dict(items.values_list("pk", get_catalog().category or "pk"))
    taken: Counter[Any] = Counter()
    best: Scored = []
    for key, visitors in counts:
        category = category_of.get(key)
        taken[category] += 1
        if category is not None and taken[category] <= BEST:
            best.append((key, float(visitors)))
    return best
