"""`manage.py recommender_export_visitor --visitor KEY | --user PK`: everything that is stored of somebody, as JSON."""

from typing import Any

from recommender.management.naming import VisitorCommand
from recommender.privacy.export import export_visitors, to_json


class Command(VisitorCommand):
    help = "Print everything that the recommender stores of one visitor, as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(to_json(export_visitors([self.visitor(options)])))
