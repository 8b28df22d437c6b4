"""The right to work on a training run: one holder at a time, renewed by a heartbeat, void when it lapses.

Every write names the token in its WHERE clause, so that a holder that was taken over cannot write any more.
"""

import math
import os
import socket
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import DurationField, F, Q, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from recommender.conf import conf
from recommender.encoders.progress import Progress
from recommender.exceptions import LeaseLost
from recommender.models import ModelVersion, TrainingRun

LOG_CHARACTERS: Final = 20_000  # the end of a longer log is kept
Status = TrainingRun.Status


@dataclass(slots=True)
class Lease:
    """What `claim` gives out.

    Raises (all methods):
        LeaseLost: the run was cancelled, finished or taken over; stop working on it.
    """

    run_id: int
    token: uuid.UUID
    losses: list[dict[str, Any]] = field(default_factory=list)

    def heartbeat(self) -> None:
        """Say that the work goes on."""
        self._write()

    def report(self, progress: Progress) -> None:
        """Store where the training stands; a finished epoch's loss is added to the curve."""
        loss = _finite(progress.loss)
        if loss is not None and progress.epoch:
            self.losses.append({"stage": progress.stage, "epoch": progress.epoch, "loss": loss})
        self._write(
            stage=progress.stage,
            stage_index=progress.stage_index,
            stage_count=progress.stage_count,
            epoch=progress.epoch,
            epochs=progress.epochs,
            loss=loss,
            progress=min(1.0, max(0.0, _finite(progress.fraction) or 0.0)),
            eta_seconds=_finite(progress.eta_seconds),
            losses=self.losses,
        )

    def publish_or_refuse(self, passed: bool, error: str = "") -> None:
        """The training came to its end: record what the gate said."""
        self._end(Status.PUBLISHED if passed else Status.REFUSED, error)

    def fail(self, error: str, log: str = "") -> None:
        """The training broke off; a version that it has published all the same counts as published."""
        self._end(status_by_version(self.run_id) or Status.FAILED, error, log)

    def cancel(self, error: str) -> None:
        """Stopped on purpose by whoever runs it."""
        self._end(Status.CANCELLED, error)

    def release(self) -> None:
        """This process must stop, the run should go on elsewhere: queue it again while attempts are left."""
        run = TrainingRun.objects.filter(pk=self.run_id, lease_token=self.token).first()
        if run is None or not settle(run, Q(), _("The worker was stopped")):
            raise LeaseLost(LeaseLost.__doc__)

    def _end(self, status: str, error: str, log: str = "") -> None:
        values: dict[str, Any] = {"progress": 1.0} if status in (Status.PUBLISHED, Status.REFUSED) else {}
        if log:
            values["log"] = storable(log)
        self._write(
            status=status, error=storable(error), finished_at=Now(), eta_seconds=None, lease_token=None, **values
        )

    def _write(self, **values: Any) -> None:
        mine = TrainingRun.objects.filter(pk=self.run_id, lease_token=self.token, status=Status.RUNNING)
        if not mine.update(heartbeat_at=Now(), **values):
            raise LeaseLost(LeaseLost.__doc__)


def claim(run_id: int) -> Lease:
    """Take a queued run; the database lets exactly one caller have it.

    Raises:
        LeaseLost: it is not queued (any more): another worker has it, or it was cancelled.
    """
    token = uuid.uuid4()
    queued = TrainingRun.objects.filter(pk=run_id, status=Status.QUEUED)
    claimed = queued.update(
        status=Status.RUNNING,
        lease_token=token,
        heartbeat_at=Now(),
        started_at=Coalesce(F("started_at"), Now()),
        attempts=F("attempts") + 1,
        worker=f"{socket.gethostname()[:70]}, {os.getpid()}",
        stage="",
        stage_index=0,
        epoch=0,
        epochs=0,
        loss=None,
        progress=0.0,
        eta_seconds=None,
        losses=[],
        error="",
    )
    if not claimed:
        raise LeaseLost(f"Training run {run_id} is not queued: another worker has it, or it has ended.")
    return Lease(run_id, token)


def hold(run: TrainingRun) -> None:
    """Lock the run's row until the end of the caller's transaction: nobody can cancel it or take it over meanwhile.

    Raises:
        LeaseLost: the token that `run` was read with is not the one that holds it (any more).
    """
    mine = TrainingRun.objects.select_for_update().filter(pk=run.pk, lease_token=run.lease_token)
    if not mine.exists():
        raise LeaseLost(LeaseLost.__doc__)


def lapsed() -> Q:
    """Running, and without a heartbeat for LEASE_SECONDS by the database's clock."""
    limit = Value(timedelta(seconds=conf.LEASE_SECONDS), output_field=DurationField())
    return Q(status=Status.RUNNING, heartbeat_at__lt=Now() - limit)


@transaction.atomic
def settle(run: TrainingRun, still: Q, what: str) -> bool:
    """End the lease of a run that nobody works on: back into the queue, or failed when its attempts are used up.

    Args:
        still: condition under which this holds; checked again in the same statement that writes.
        what: what happened, the beginning of a sentence.
    Returns:
        False where the run has moved on in the meantime.
    """
    values: dict[str, Any] = {"lease_token": None, "eta_seconds": None}
    if ended := status_by_version(run.pk):
        values |= {"status": ended, "finished_at": Now(), "progress": 1.0}
    elif run.attempts < conf.MAX_ATTEMPTS:
        values |= {"status": Status.QUEUED, "sent_at": None, "error": _("%s. It starts again by itself.") % what}
    else:
        advice = _(
            "%(what)s, %(attempts)s times in a row, so it is not tried again. Usual reasons: the machine ran out of "
            "memory, or the worker was restarted during the training. Look at the worker's log, then press Retry."
        )
        values |= {"status": Status.FAILED, "finished_at": Now()}
        values["error"] = advice % {"what": what, "attempts": run.attempts}
    mine = TrainingRun.objects.filter(still, pk=run.pk, lease_token=run.lease_token, status=Status.RUNNING)
    return mine.update(**values) == 1


def status_by_version(run_id: int) -> str | None:
    """How a run ended that wrote its version but died before it could say so; None while that is open."""
    version = ModelVersion.objects.filter(run_id=run_id).only("published_at", "verdict").first()
    if version is None:
        return None
    if version.published_at:
        return Status.PUBLISHED
    return None if version.verdict.get("passed", True) else Status.REFUSED


def storable(text: str) -> str:
    """The end of a text, without what Postgres cannot hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()[-LOG_CHARACTERS:]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
