"""`manage.py recommender_hold_back FILE`: take the newest weeks out of a copy of the database, for a replay."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from recommender.conf import conf
from recommender.exceptions import ReplayRefused
from recommender.management.arguments import MOST_DAYS, whole_number
from recommender.uplift.truth import hold_back


class Command(BaseCommand):
    help = (
        "For a COPY of your database: write what was bought in the newest days into FILE and delete all events from "
        "then on, so that no training can see them. Then run recommender_train and recommender_replay FILE."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV to write; it names visitors, so delete it afterwards")
        days = whole_number(1, MOST_DAYS)
        parser.add_argument("--days", type=days, default=conf.HOLDOUT_DAYS, help="default: RECOMMENDER_HOLDOUT_DAYS")
        parser.add_argument("--noinput", action="store_true", help="do not ask for the database's name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = str(connection.settings_dict["NAME"])
        if not options["noinput"]:
            self.stdout.write(f"This deletes the newest {options['days']} days of events from the database {name}.")
            if input("Type its name to go on: ") != name:
                raise CommandError("Nothing was changed.")
        try:
            held = hold_back(options["days"], options["file"])
        except ReplayRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{held.purchases} purchases since {held.cut:%Y-%m-%d %H:%M} are in {options['file']}; "
            f"{held.events} events were deleted. Next: manage.py recommender_train --cold"
        )
