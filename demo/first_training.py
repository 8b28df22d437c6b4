"""The first training, in the worker like every later one: queue it, watch it, say how it ended."""

import time
from collections.abc import Callable
from typing import Final

from django.db import OperationalError, connection

from demo.console import TrainingBar
from recommender.exceptions import RunAlreadyActive
from recommender.models import ModelVersion, TrainingRun
from recommender.runs import Options, request_run

POLL_SECONDS: Final = 0.5
EFFORT: Final = 0.35  # of the epochs, so that the shop has lists of its own soon; "Retrain" in admin takes them all


def has_live_version() -> bool:
    return ModelVersion.objects.filter(is_live=True).exists()


def first_run() -> TrainingRun:
    """The run that is queued or running, else a new one."""
    try:
        return request_run(TrainingRun.Trigger.COMMAND, options=Options(effort=EFFORT))
    except RunAlreadyActive:  # of an earlier start that was cut off; the worker takes it up again
        return TrainingRun.objects.latest("pk")


def follow(run: TrainingRun, check: Callable[[], None]) -> str:
    """Show the progress until the run has ended; returns a sentence on how it ended.

    Args:
        check: called at every look; raises when a program of the demo has died.
    """
    with TrainingBar() as bar:
        while run.is_active:
            check()
            bar.show(run.stage or str(run.get_status_display()), run.progress, _detail(run))
            time.sleep(POLL_SECONDS)
            try:
                run.refresh_from_db()
            except OperationalError:  # a dead Postgres of ours is told by the next check; another's may come back
                connection.close()
    return outcome(run)


def outcome(run: TrainingRun) -> str:
    """How a run ended, in one or two lines."""
    if run.status == run.Status.PUBLISHED:
        metrics = run.version.verdict.get("metrics", {})
        scores = [f"{name} {values['ndcg@10']:.3f}" for name, values in metrics.items() if "ndcg@10" in values]
        return "The first model is live." + (f" NDCG@10 on held-out weeks: {', '.join(scores)}." if scores else "")
    if run.status == run.Status.REFUSED:
        reasons = "; ".join(run.version.verdict.get("reasons", []) if run.version else []) or run.error
        return f"The gate refused the first model: {reasons}. The shop shows what is popular."
    return f"The first training {run.get_status_display()}: {run.error or 'see its log in admin'}. Retry it from admin."


def _detail(run: TrainingRun) -> str:
    parts = [f"epoch {run.epoch}/{run.epochs}"] if run.epochs else []
    parts += [] if run.loss is None else [f"loss {run.loss:.3f}"]
    parts += [] if run.eta_seconds is None else [f"{run.eta_seconds:.0f} s left"]
    return ", ".join(parts)
