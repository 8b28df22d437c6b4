"""`manage.py recommender_train`: one training in this process, with or without a broker and a worker."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from recommender import runs
from recommender.encoders.progress import Progress
from recommender.evaluation.gate import MIN_VISITORS
from recommender.exceptions import LeaseLost, RunAlreadyActive
from recommender.leases import Lease, claim
from recommender.management.arguments import whole_number
from recommender.management.bar import Bar
from recommender.models import ModelVersion, TrainingRun
from recommender.training_failures import after_refusal
from recommender.training_process import Keeper, carry_out

REFUSED_STATUS: Final = 3
INTERRUPTED_STATUS: Final = 130  # as a shell reports Ctrl-C
Status = TrainingRun.Status


class Command(BaseCommand):
    help = (
        "Train a model version on all events and publish it if it beats the baselines. Runs here and now; needs no "
        "broker and no worker. Exit status: 0 published, 3 refused by the gate or too little data, 1 failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seed",
            type=whole_number(0, runs.LARGEST_SEED),
            default=0,
            help="of every random choice; the same seed, data and start, the same model",
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--cold", action="store_true", help="begin anew instead of going on from the live version")
        which.add_argument("--run", type=int, metavar="ID", help="train this queued run here, instead of a new one")

    def handle(self, *args: Any, **options: Any) -> None:
        lease = self._claim(options["run"], options["seed"], options["cold"])
        bar = Bar(self.stdout)
        try:
            carry_out(
                lease,
                Keeper(lease, give_up=_nothing),
                lambda told: bar.show(told.fraction, _describe(told), told.stage),
            )
        except LeaseLost as error:
            run = TrainingRun.objects.get(pk=lease.run_id)
            raise CommandError(f"{run} stopped: {run.get_status_display()}. {run.error}") from error
        except KeyboardInterrupt:
            lease.cancel("Interrupted on the command line.")
            raise CommandError("Interrupted: the run is cancelled.", returncode=INTERRUPTED_STATUS) from None
        finally:
            bar.close()
        self._tell(TrainingRun.objects.get(pk=lease.run_id))

    def _claim(self, run_id: int | None, seed: int, is_cold: bool) -> Lease:
        runs.settle_lapsed()  # a run whose process was killed must not stand in the way
        try:
            if run_id is None:
                asked = runs.Options(seed=seed, is_cold=is_cold)
                run = runs.request_run(TrainingRun.Trigger.COMMAND, options=asked, to_broker=False)
                run_id = run.pk
            return claim(run_id)
        except LeaseLost as error:
            raise CommandError(str(error)) from error
        except RunAlreadyActive as error:
            queued = TrainingRun.objects.filter(status=Status.QUEUED).first()
            hint = f" To train it here: manage.py recommender_train --run {queued.pk}" if queued else ""
            raise CommandError(f"{error}{hint}") from error

    def _tell(self, run: TrainingRun) -> None:
        if left_out := run.counts.get("left_out"):
            reasons = ", ".join(f"{why} {events}" for why, events in left_out.items())
            self.stdout.write(f"Left out {sum(left_out.values())} events: {reasons}.")
        if run.status == Status.PUBLISHED:
            version = ModelVersion.objects.get(run=run)
            self.stdout.write(self.style.SUCCESS(f"{version} is live: {version.item_count} items."))
            asked = version.verdict.get("holdout", {}).get("visitors", MIN_VISITORS)
            if asked < MIN_VISITORS:
                self.stdout.write(
                    f"Not judged: visitors asked {asked}, needed {MIN_VISITORS}; checked for defects only."
                )
            for name, metrics in version.verdict.get("metrics", {}).items():
                scores = "  ".join(f"{metric} {value:.4f}" for metric, value in metrics.items())
                self.stdout.write(f"  {name:<12} {scores}")
            return
        told, status = f"{run}: {run.get_status_display()}. {run.error}", 1
        if run.status == Status.REFUSED:
            status = REFUSED_STATUS
            refused = ModelVersion.objects.filter(run=run).first()
            told += f"\n{after_refusal(refused.pk)}" if refused else ""
        raise CommandError(told, returncode=status)


def _describe(progress: Progress) -> str:
    words = [f"{progress.stage} ({progress.stage_index}/{progress.stage_count})"]
    if progress.epochs > 1:
        words.append(f"epoch {progress.epoch}/{progress.epochs}")
    if progress.loss is not None:
        words.append(f"loss {progress.loss:.4f}")
    if progress.eta_seconds is not None:
        words.append(f"{progress.eta_seconds:.0f} s left")
    return ", ".join(words)


def _nothing() -> None:
    """The lease is lost: the next report of the training raises LeaseLost in the main thread."""
