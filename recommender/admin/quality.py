"""What the page of the data quality report shows."""

from datetime import date, timedelta
from typing import Any, Final

from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from recommender.admin.charts import column_chart
from recommender.exceptions import CatalogNotFound, ReportTooSlow
from recommender.models import Event
from recommender.quality.findings import GREEN, RED, YELLOW, Finding
from recommender.quality.measure import Measured
from recommender.quality.report import DAYS, quality_report

QUALITY_DAYS: Final = (7, DAYS, 92)  # DAYS where none is chosen


def quality_context(days: int) -> dict[str, Any]:
    """{"findings", "charts"}, or {"problem"} where the report cannot be made; numbers are up to a minute old."""
    try:
        report = quality_report(days, is_cached=True)
    except (ReportTooSlow, CatalogNotFound) as error:
        return {"problem": str(error)}
    return {
        "findings": [(finding, _light(finding)) for finding in report.findings],
        "charts": _charts(report.measured),
        "until": report.measured.until,
    }


def _light(finding: Finding) -> str:
    """The light as a word: a colour alone does not reach everybody."""
    return {GREEN: _("good"), YELLOW: _("look"), RED: _("act")}[finding.light]


def _charts(found: Measured) -> list[tuple[str, int, SafeString]]:
    """(kind, events, columns a day) of every kind that there is."""
    days = _days(found)
    labels = [date_format(day, "SHORT_DATE_FORMAT") for day in days]
    charts = []
    for kind in Event.Kind:
        values = [found.volumes.get(day, {}).get(kind, 0) for day in days]
        if any(values):
            charts.append((str(kind.label), sum(values), column_chart(str(kind.label), labels, values)))
    return charts


def _days(found: Measured) -> list[date]:
    """Every day of the report, also those without an event."""
    last = found.until.date()
    return [last - timedelta(days=back) for back in range(found.days, -1, -1)]
