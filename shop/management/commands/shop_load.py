"""`manage.py shop_load [--small | --households N]`: fill the shop with a year of real grocery shopping."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shop.models import Category, DataLoad, Household, Order, OrderLine, Product

NAME: Final = "complete-journey"
SMALL: Final = 300  # households
ALL: Final = 2_147_483_647  # more households than there are: the whole source


class Command(BaseCommand):
    help = "Load the Complete Journey: products, households, their orders, and their purchases as events."

    def add_arguments(self, parser: ArgumentParser) -> None:
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--small", action="store_true", help=f"{SMALL} households and what they bought")
        size.add_argument("--households", type=int, metavar="N", help="so many households and what they bought")

    def handle(self, **options: Any) -> None:
        households = SMALL if options["small"] else options["households"]
        if households is not None and households < 1:
            raise CommandError("--households must be at least 1.")
        self.verbosity = options["verbosity"]
        if DataLoad.objects.filter(name=NAME, finished_at__isnull=False, households__gte=households or ALL).exists():
            self.say(_("The shop is loaded already."))
            return
        started = time.monotonic()
        self.load(households)
        counts = {model: model._default_manager.count() for model in (Product, Household, Order, OrderLine)}
        self.say(
            _("Loaded %(products)s products, %(households)s households, %(orders)s orders in %(seconds)s s.")
            % {
                "products": f"{counts[Product]:,}",
                "households": f"{counts[Household]:,}",
                "orders": f"{counts[Order]:,}",
                "seconds": round(time.monotonic() - started),
            }
        )

    def load(self, households: int | None) -> None:
        """Read the source, then step by step; a run that was cut off continues by skipping what is there."""
        from shop import loading  # pandas is needed here only, not by every `manage.py`
        from shop.complete_journey import read

        with self.bar(_("Reading"), 1) as progress:
            source = read(households)
            progress(1)
        newest = source.lines["at"].max().to_pydatetime().replace(tzinfo=UTC)
        state = loading.load_state(NAME, newest)
        shift = timedelta(days=state.shift_days)
        loading.load_departments(source)
        with self.bar(_("Products"), len(source.products)) as progress:
            loading.load_products(source, progress)
        with self.bar(_("Households"), len(source.households)) as progress:
            loading.load_households(source, shift)
            progress(len(source.households))
        with self.bar(_("Orders"), source.lines["basket"].nunique() + len(source.lines)) as progress:
            loading.load_orders(source, shift, progress)
        with self.bar(_("Events"), len(source.lines)) as progress:
            loading.load_purchase_events(source, shift, progress)
        loading.analyze([Product, Category, Household, Order, OrderLine])
        state.households, state.finished_at = households or ALL, timezone.now()
        state.save(update_fields=["households", "finished_at"])

    def say(self, text: str) -> None:
        if self.verbosity:
            self.stdout.write(text)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """A line of progress; gives the function that counts rows."""
        columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, disable=not self.verbosity) as progress:
            task = progress.add_task(label, total=total)
            yield lambda rows: progress.advance(task, rows)
