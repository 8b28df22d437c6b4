"""What the page of a training run shows while it runs, and how each part of it is worded."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext as _

from recommender.admin.charts import line_chart
from recommender.admin.labels import STAGES, duration, label
from recommender.conf import conf
from recommender.models import TrainingRun

PATIENCE_SECONDS: Final = 15.0  # a wait or a silence that is longer gets an explanation
Status = TrainingRun.Status


def live_context(run: TrainingRun) -> dict[str, Any]:
    """For `live.html` and `cell.html`; everything in words and numbers that are ready to print."""
    return {
        "run": run,
        "percent": round(100 * run.progress),
        "stage": label(STAGES, run.stage) if run.stage else _starting(run),
        "advice": advice(run),
        "elapsed": duration(elapsed_seconds(run)),
        "left": duration(seconds_left(run)),
        "curves": list(curves(run)),
    }


def elapsed_seconds(run: TrainingRun) -> float | None:
    """From the first start to the end, or to now; None before the start."""
    if run.started_at is None:
        return None
    return ((run.finished_at or timezone.now()) - run.started_at).total_seconds()


def seconds_left(run: TrainingRun) -> float | None:
    """About; None before there is an estimate.

    The run's own estimate stands still while a step tells nothing; by what has passed meanwhile, more is left than it
    said. Of a later attempt it is not known when it began.
    """
    elapsed = elapsed_seconds(run)
    if run.eta_seconds is None or elapsed is None or run.attempts > 1 or not run.progress:
        return run.eta_seconds
    return max(run.eta_seconds, elapsed * (1 - run.progress) / run.progress)


def curves(run: TrainingRun) -> Iterator[tuple[str, str]]:
    """(stage in words, its loss curve as SVG), in the order in which the stages ran."""
    by_stage: dict[str, list[float]] = {}
    for row in run.losses:
        by_stage.setdefault(row["stage"], []).append(row["loss"])
    for stage, losses in by_stage.items():
        name = label(STAGES, stage)
        yield name, line_chart(name, losses)


def advice(run: TrainingRun) -> str:
    """What to do about a run that waits or is silent; "" while all is well."""
    if run.status == Status.QUEUED and run.sent_at is None and _age(run.created_at) > 3:
        return _(
            "The message broker cannot be reached, so no worker knows of this training yet. Check that the broker "
            "and a worker are running; delivery is tried again every 30 seconds."
        )
    if run.status == Status.QUEUED and run.sent_at and _age(run.sent_at) > PATIENCE_SECONDS:
        return _(
            "No training worker has taken it yet. Start one with “celery -A your_project worker -Q %(queue)s”, or "
            "train on the command line with “manage.py recommender_train --run %(run)s”."
        ) % {"queue": conf.TRAINING_QUEUE, "run": run.pk}
    if run.status == Status.RUNNING and run.heartbeat_at and _age(run.heartbeat_at) > PATIENCE_SECONDS:
        return _(
            "The worker has been silent for %(silence)s. After %(limit)s without a sign of life the training starts "
            "again on another worker."
        ) % {"silence": duration(_age(run.heartbeat_at)), "limit": duration(conf.LEASE_SECONDS)}
    return ""


def _starting(run: TrainingRun) -> str:
    return _("Waiting for a training worker") if run.status == Status.QUEUED else _("Starting")


def _age(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()
