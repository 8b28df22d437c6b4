"""The last weeks in numbers and pictures: what was seen, clicked and ordered, and which rung answered."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from recommender.admin.charts import bar, share_text
from recommender.admin.labels import RUNGS, label
from recommender.admin.plots import columns
from recommender.models import Event, Impression, ModelVersion
from recommender.operations.latency import list_latency

DAYS: Final = 28
Row = tuple[Any, ...]
_SEEN: Final = f"FROM {Impression._meta.db_table} AS own WHERE seen_at >= %(since)s AND doubt = 0"
_IMPRESSIONS: Final = f"SELECT (seen_at AT TIME ZONE %(zone)s)::date, sum(cardinality(slots)) {_SEEN} GROUP BY 1"
# Purchases of one visitor in one minute are one order, as in uplift/attribution.py.
_EVENTS: Final = f"""
SELECT (at AT TIME ZONE %(zone)s)::date, count(*),
    count(*) FILTER (WHERE kind = {Event.Kind.CLICK} AND impression IS NOT NULL),
    count(DISTINCT (visitor_id, date_trunc('minute', at))) FILTER (WHERE kind = {Event.Kind.PURCHASE})
FROM {Event._meta.db_table} WHERE at >= %(since)s AND doubt = 0 GROUP BY 1
"""  # noqa: S608  names and numbers of our own
_RUNGS: Final = f"SELECT rung, count(*) {_SEEN} GROUP BY 1 ORDER BY 2 DESC"
_SHOWN: Final = f"SELECT count(DISTINCT item) FROM (SELECT items[unnest(slots)] AS item {_SEEN}) AS seen"  # noqa: S608  own


def dashboard() -> dict[str, Any]:
    """For `dashboard.html`: daily columns, totals, coverage and the shares of the rungs over DAYS days, by the shop's
    clock and without doubted rows."""
    now = timezone.localtime()
    first = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    values = {"since": first, "zone": timezone.get_current_timezone_name()}
    days = [(first + timedelta(days=day)).date() for day in range(DAYS)]
    seen: dict[Any, int] = dict(_ask(_IMPRESSIONS, values))
    done = {day: rest for day, *rest in _ask(_EVENTS, values)}
    series = {
        _("Seen products"): [int(seen.get(day, 0)) for day in days],
        _("Clicks on them"): [int(done.get(day, (0, 0, 0))[1]) for day in days],
        _("Orders"): [int(done.get(day, (0, 0, 0))[2]) for day in days],
        _("Events"): [int(done.get(day, (0, 0, 0))[0]) for day in days],
    }
    labels = [date_format(day, "SHORT_DATE_FORMAT") for day in days]
    return {
        "days": DAYS,
        "charts": [
            (name, sum(each), columns(name, list(zip(labels, each, strict=True)))) for name, each in series.items()
        ],
        "table": list(zip(labels, *series.values(), strict=True)),
        "names": list(series),
        "rungs": list(_rungs(values)),
        "coverage": _coverage(values),
        "latency": list_latency(),
    }


def _rungs(values: dict[str, Any]) -> Iterator[tuple[str, Any, str, int]]:
    """(rung in words, its bar, its share, lists)."""
    rows = _ask(_RUNGS, values)
    total = sum(count for _rung, count in rows)
    for rung, count in rows:
        yield label(RUNGS, rung), bar(count / total), share_text(count / total), count


def _coverage(values: dict[str, Any]) -> dict[str, Any] | None:
    """How much of the catalogue was seen in some list; None before a version is live."""
    live = ModelVersion.objects.filter(is_live=True).first()
    if live is None or not live.item_count:
        return None
    shown = int(_ask(_SHOWN, values)[0][0])
    share = min(1.0, shown / live.item_count)
    return {"shown": shown, "items": live.item_count, "share": share_text(share), "bar": bar(share, "ours")}


def _ask(statement: str, values: dict[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
