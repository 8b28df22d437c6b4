"""`manage.py recommender_replay FILE --url URL`: recorded shoppers live their held-out weeks again, arm against arm."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from recommender.exceptions import RecommenderError
from recommender.experiments.lift import Lift
from recommender.models import Arm, Event, ModelVersion
from recommender.uplift.replay import DISCOVERIES, LIMITS, Replayed, replay
from recommender.uplift.report import METRICS
from recommender.uplift.truth import Basket, read_truth

TOLD_EVERY: Final = 50  # twins


class Command(BaseCommand):
    help = (
        "Let the shoppers of FILE (from recommender_hold_back) live their held-out weeks again through the shop's real "
        "endpoints: ours against classic lists. Needs a server on this copy of the database, with these settings."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--url", required=True, help="root of the shop's server, such as http://127.0.0.1:8000")
        parser.add_argument(
            "--arms",
            nargs="+",
            default=["live", "item_knn", "content", "habits", "popular"],
            choices=[choice for choice in Arm.Strategy.values if choice != Arm.Strategy.VERSION],
            help="the first is compared with the others (default: live item_knn content habits popular)",
        )
        parser.add_argument("--shoppers", type=int, metavar="N", help="so many of them, evenly chosen (default: all)")
        parser.add_argument("--days", type=int, metavar="N", help="only the first days of the file (default: all)")
        parser.add_argument("--length", type=int, default=12, help="items a list (default 12)")
        parser.add_argument("--threads", type=int, default=4, help="shoppers at once (default 4)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            truth = _chosen(read_truth(options["file"]), options["shoppers"], options["days"])
            self._require_unseen(truth, options["file"])
            found = replay(
                truth, options["arms"], options["url"], n=options["length"], threads=options["threads"], tell=self._tell
            )
        except (RecommenderError, OSError) as error:
            raise CommandError(str(error)) from error
        self._print(found)

    def _require_unseen(self, truth: dict[str, list[Basket]], file: Path) -> None:
        """What is replayed is in no history, and the live version was trained after it was taken out."""
        live = ModelVersion.objects.filter(is_live=True).select_related("run").first()
        if not truth:
            raise CommandError("Nobody of the file is left to live again.")
        if live is None:
            raise CommandError("No version is live: run manage.py recommender_train.")
        begins = min(baskets[0].at for baskets in truth.values())
        if Event.objects.filter(visitor__key__in=list(truth), at__gte=begins).exists():
            raise CommandError("This database still holds what the file holds: run recommender_hold_back on it.")
        if live.run.started_at is None or live.run.started_at.timestamp() < file.stat().st_mtime:
            raise CommandError(
                f"{live} was trained before {file} was taken out: run manage.py recommender_train --cold."
            )
        self.stdout.write(f"{len(truth)} shoppers, {sum(map(len, truth.values()))} baskets each arm, {live}.")

    def _tell(self, done: int, of: int) -> None:
        if done % TOLD_EVERY == 0 or done == of:
            self.stdout.write(f"  {done} of {of} lives")

    def _print(self, found: Replayed) -> None:
        reading = found.reading
        self.stdout.write(
            _row("arm", "visitors", "slots", "clicks", "CTR", "new", "ordered", "orders", "revenue", "assisted")
        )
        for arm in reading.arms:
            counts, means = arm.counts, arm.means
            share = (
                f"{means['ctr']:.4f}",
                f"{found.discoveries[arm.id]:.4f}",
                f"{means['conversion']:.3f}",
                f"{counts['orders']}",
            )
            money = (f"{counts['revenue_cents'] / 100:.2f}", f"{counts['assisted']}")
            self.stdout.write(_row(arm.name, counts["visitors"], counts["slots"], counts["clicks"], *share, *money))
        names = {arm.id: arm.name for arm in reading.arms}
        for arm_id, lifts in found.pairs.items():
            self.stdout.write(f"{reading.arms[0].name} against {names[arm_id]}, shopper by shopper:")
            for metric in (*METRICS, DISCOVERIES):
                self.stdout.write(f"  {metric:<11} {_lift(lifts[metric])}")
        for arm_id, rungs in found.rungs.items():
            self.stdout.write(f"rungs of {names[arm_id]}: {rungs}")
        self.stdout.write(f"left out: {reading.left_out}. Split: p = {reading.ratio_p:.3f}.")
        for limit in LIMITS:
            self.stdout.write(f"* {limit}")
        self.stdout.write(f"Stored as the experiment “{found.experiment}”.")


def _chosen(truth: dict[str, list[Basket]], shoppers: int | None, days: int | None) -> dict[str, list[Basket]]:
    if days is not None and truth:
        first = min(baskets[0].at for baskets in truth.values())
        early = {
            key: [basket for basket in baskets if (basket.at - first).days < days] for key, baskets in truth.items()
        }
        truth = {key: baskets for key, baskets in early.items() if baskets}
    if shoppers is None or shoppers >= len(truth):
        return truth
    keys = sorted(truth)
    return {
        keys[place * len(keys) // shoppers]: truth[keys[place * len(keys) // shoppers]] for place in range(shoppers)
    }


def _row(name: object, *values: object) -> str:
    return f"{name!s:<36}" + "".join(f"{value!s:>10}" for value in values)


def _lift(lift: Lift | None) -> str:
    if lift is None:
        return "–"
    return f"{lift.estimate:+.1%}  95 % interval {lift.low:+.1%} to {lift.high:+.1%}, p {lift.p:.4f}"
