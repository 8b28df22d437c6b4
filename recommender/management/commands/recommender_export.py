"""`manage.py recommender_export --output FILE`: the lists of many visitors, for a mailing."""

import time
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from recommender.conf import conf
from recommender.mailing import Mailing, Row
from recommender.management.bar import Bar
from recommender.management.row_files import FORMS, row_file
from recommender.models import Visitor
from recommender.serving.placements import FOR_YOU, needs_items, placements


class Command(BaseCommand):
    help = (
        "Write the lists of all visitors who agreed to be remembered into a file, a row an item, each list with its "
        "token. The file is there whole or not at all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        of_visitors = [name for name, placement in placements().items() if not needs_items(placement)]
        parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="is replaced where it exists")
        parser.add_argument("--format", choices=list(FORMS), default="csv", help="parquet needs pyarrow (default csv)")
        parser.add_argument("--placement", choices=of_visitors, default=FOR_YOU, help="(default for_you)")
        parser.add_argument("--n", type=int, default=conf.LIST_LENGTH, help="items in a list (default %(default)s)")
        parser.add_argument("--users-only", action="store_true", help="only visitors with an account")
        parser.add_argument(
            "--segment",
            action="append",
            default=[],
            metavar="LOOKUP=VALUE",
            help="only visitors of whom this holds, e.g. user__groups__name=newsletter; repeat it for more conditions",
        )
        parser.add_argument("--base-url", default="", metavar="URL", help="before addresses, e.g. https://shop.example")
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], help="of the reasons")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["n"] <= conf.MAX_LIST_LENGTH:
            raise CommandError(f"--n is 1 to {conf.MAX_LIST_LENGTH}.")
        visitors = _segment(options["segment"])
        if options["users_only"]:
            visitors = visitors.exclude(user=None)
        language = translation.override(options["language"]) if options["language"] else nullcontext()
        began = time.monotonic()
        with language, row_file(options["output"], options["format"], Row) as write:
            mailing = Mailing(visitors, options["placement"], options["n"], options["base_url"])
            self._write(mailing, write)
        self._tell(mailing, options["output"], time.monotonic() - began)

    def _write(self, mailing: Mailing, write: Any) -> None:
        bar = Bar(self.stderr)
        try:
            for rows in mailing.batches():
                write(rows)
                done = min(mailing.tally.asked / max(mailing.total, 1), 1.0)  # some may have come in the meantime
                bar.show(done, f"{mailing.tally.asked} of {mailing.total} visitors", f"{done:.1f}")
        finally:
            bar.close()

    def _tell(self, mailing: Mailing, output: Path, seconds: float) -> None:
        tally = mailing.tally
        lists, rate = tally.rungs.total(), tally.asked / max(seconds, 0.001)
        noun = "list" if lists == 1 else "lists"
        self.stdout.write(self.style.SUCCESS(f"{lists} {noun} in {output} ({rate:.0f} visitors a second)."))
        self.stdout.write("By rung: " + (", ".join(f"{name} {count}" for name, count in tally.rungs.items()) or "none"))
        self.stdout.write(
            f"Left out: {mailing.without_consent} without consent, {tally.gone} erased or withdrawn meanwhile, "
            f"{tally.empty} whose list is empty."
        )


def _segment(conditions: list[str]) -> Any:
    """The visitors that all conditions hold of.

    Raises:
        CommandError: one is none, or names a field that there is not.
    """
    lookups = [condition.partition("=")[::2] for condition in conditions]
    found = Visitor.objects.all()
    for lookup, value in lookups:
        try:
            # A join may find a visitor twice: the outer query does not.
            found = found.filter(pk__in=Visitor.objects.filter(**{lookup: value}).values("pk"))
            str(found.query)  # some lookups judge their value only here
        except (FieldError, ValidationError, ValueError, TypeError) as error:
            raise CommandError(f"--segment {lookup}={value}: {error}") from error
    return found
