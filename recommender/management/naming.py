"""Commands about one visitor: `--visitor KEY` or `--user PK`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.capture.accounts import visitor_named
from recommender.exceptions import VisitorNotFound
from recommender.models import Visitor


class VisitorCommand(BaseCommand):
    def add_arguments(self, parser: ArgumentParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--visitor", metavar="KEY", help="key of the visitor, as admin shows it")
        who.add_argument("--user", metavar="PK", help="primary key of the account")

    def visitor(self, options: dict[str, Any]) -> Visitor:
        """Whom the arguments name.

        Raises:
            CommandError: there is nobody of that name.
        """
        try:
            return visitor_named({"visitor": options["visitor"], "user": options["user"]})
        except VisitorNotFound as error:
            raise CommandError(str(error)) from error
