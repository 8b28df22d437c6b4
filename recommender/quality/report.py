"""The data quality report: what arrives, what is wrong with it, and what to do."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core.cache import cache

from recommender.capture.tables import KINDS
from recommender.quality.catalogue_findings import catalogue_findings
from recommender.quality.findings import RED, Finding, findings
from recommender.quality.measure import Measured, measure

CACHE_SECONDS: Final = 60
DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers, and what they mean in the language of whoever asks."""

    measured: Measured
    findings: list[Finding]

    @property
    def is_alarming(self) -> bool:
        return any(finding.light == RED for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """{"days", "until", "findings": […], "volumes": {day: {kind: events}}, and every number behind them}."""
        values = asdict(self.measured)
        volumes = {
            day.isoformat(): {KINDS[kind]: events for kind, events in kinds.items()}
            for day, kinds in self.measured.volumes.items()
        }
        return {"findings": [asdict(finding) for finding in self.findings], **values, "volumes": volumes}


def quality_report(days: int = DAYS, *, is_cached: bool = False) -> Report:
    """The report about the last `days` days.

    Args:
        is_cached: numbers may be CACHE_SECONDS old.
    Raises:
        ReportTooSlow: the database took too long to count.
        CatalogNotFound: the shop has no `recommendations.py`.
    """
    key = f"recommender:quality:{days}"
    measured: Any = cache.get_or_set(key, lambda: measure(days), CACHE_SECONDS) if is_cached else measure(days)
    return Report(measured, findings(measured) + catalogue_findings(measured.catalogue))
