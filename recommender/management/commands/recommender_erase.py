"""`manage.py recommender_erase --visitor KEY | --user PK`: forget somebody."""

from typing import Any

from recommender.management.naming import VisitorCommand
from recommender.privacy.erasure import erase


class Command(VisitorCommand):
    help = (
        "Delete everything that the recommender stores of one visitor, at once and for good; events from before this "
        "moment that arrive later are refused. The account itself and the shop's orders are the shop's own affair."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        events = erase(self.visitor(options))
        self.stdout.write(self.style.SUCCESS(f"Erased; events: {events}."))
