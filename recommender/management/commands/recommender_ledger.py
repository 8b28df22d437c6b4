"""`manage.py recommender_ledger`: what became of every event that was received, day by day."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.capture.ledger import COUNTS, Line, lines
from recommender.capture.partitions import has_default_rows
from recommender.management.arguments import MOST_DAYS, whole_number


class Command(BaseCommand):
    help = (
        "Print received = stored + duplicate + quarantined + refused by day and source. Exit status: 0 it adds up "
        "everywhere, 1 it does not, or events lie in the default partition."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=whole_number(0, MOST_DAYS), default=31, help="how far back (default 31; 0: everything)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = lines(options["days"] or None)
        self.stdout.write(_row("day", "source", *COUNTS, "difference"))
        for line in found:
            text = _row(line.day, line.source_label, *(getattr(line, name) for name in COUNTS), line.difference)
            self.stdout.write(self.style.ERROR(text) if line.difference else text)
        self._judge(found)

    def _judge(self, found: list[Line]) -> None:
        wrong = sum(1 for line in found if line.difference)
        if wrong:
            raise CommandError(f"{wrong} lines do not add up: rows that were received have no outcome.")
        if has_default_rows():
            raise CommandError("Events lie in the default partition: run the Celery beat, or recommender.keep_books.")
        self.stdout.write(self.style.SUCCESS("Every row that was received has its outcome."))


def _row(day: object, source: object, *numbers: object) -> str:
    return f"{day!s:<10}  {source!s:<12}" + "".join(f"{number!s:>12}" for number in numbers)
