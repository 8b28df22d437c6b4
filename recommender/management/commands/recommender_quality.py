"""`manage.py recommender_quality`: what arrives, what is wrong with it, and what to do."""

import json
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from recommender.capture.tables import KINDS
from recommender.exceptions import CatalogNotFound, ReportTooSlow
from recommender.management.arguments import MOST_DAYS, whole_number
from recommender.quality.findings import GREEN, RED, YELLOW
from recommender.quality.report import DAYS, Report, quality_report

ALARMING_STATUS: Final = 1


class Command(BaseCommand):
    help = (
        "Print volumes by day and kind, and judge the events and the catalogue: gaps, duplicates, programs, lost "
        "items, empty fields, clocks, tokens. Exit status: 0, or 1 where something is red."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=whole_number(1, MOST_DAYS), default=DAYS, help=f"how far back (default {DAYS})"
        )
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = quality_report(options["days"])
        except (ReportTooSlow, CatalogNotFound) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))
        else:
            self._print(report)
        if report.is_alarming:
            raise CommandError("Something is red.", returncode=ALARMING_STATUS)

    def _print(self, report: Report) -> None:
        self.stdout.write(f"{'day':<12}" + "".join(f"{name:>12}" for name in KINDS.values()))
        for day, kinds in report.measured.volumes.items():
            self.stdout.write(f"{day.isoformat():<12}" + "".join(f"{kinds.get(kind, 0):>12}" for kind in KINDS))
        self.stdout.write("")
        styles = {GREEN: self.style.SUCCESS, YELLOW: self.style.WARNING, RED: self.style.ERROR}
        for finding in report.findings:
            self.stdout.write(f"{styles[finding.light](f'{finding.light:<7}')} {finding.title}: {finding.text}")
            if finding.advice:
                self.stdout.write(f"        {finding.advice}")
