"""`manage.py recommender_estimate`: the clicks of a version that nobody has seen."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommender.estimated_clicks import MOST_LISTS, ClickEstimate, estimate_clicks
from recommender.exceptions import RecommenderError
from recommender.experiments.lift import Lift
from recommender.models import ModelVersion


class Command(BaseCommand):
    help = (
        "Estimate the clicks of a seen slot that a version would earn, from lists of other versions that were seen "
        "since its training (inverse propensities, normalised, doubly robust), and keep that with the version."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("version", type=int, help="its number: `manage.py recommender_publish` lists them")
        parser.add_argument("--lists", type=int, default=MOST_LISTS, help=f"newest lists (default {MOST_LISTS})")

    def handle(self, *args: Any, **options: Any) -> None:
        version = ModelVersion.objects.filter(pk=options["version"], has_vectors=True).first()
        if version is None:
            raise CommandError(
                f"There is no version {options['version']} with vectors: `manage.py recommender_publish` lists them."
            )
        try:
            found = estimate_clicks(version, options["lists"])
        except RecommenderError as error:
            raise CommandError(str(error)) from error
        self._print(found)

    def _print(self, found: ClickEstimate) -> None:
        inner = found.estimate
        self.stdout.write(
            f"{found.lists} lists ({found.drawn} with something tried), {found.slots} seen slots, "
            f"{inner.served.n} visitors\n"
            f"worth {inner.effective:.0f} visitors; {int(100 * inner.covered)} % could have been shown; "
            f"{inner.clipped:.1%} of the weights cut off"
        )
        if found.withheld:
            self.stdout.write(self.style.WARNING(found.withheld))
            return
        self.stdout.write(f"{'served':<14} {inner.served.mean:.4f}")
        for name, mean, interval in found.rates():
            self.stdout.write(f"{name:<14} {mean:.4f} {_between(interval)}")
        if found.gain is not None:
            self.stdout.write(f"{'gain':<14} {found.gain.estimate:+.1%} {_between(found.gain)}")


def _between(interval: Lift | None) -> str:
    return "" if interval is None else f"[{interval.low:.4f}, {interval.high:.4f}]"
