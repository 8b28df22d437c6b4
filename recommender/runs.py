"""The life of a training run: requested → queued → running → published, refused, failed or cancelled.

`TrainingRun` is the truth; the broker only carries its id, and `sweep` repairs what broker and workers lose.
"""

import logging
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import DurationField, Q, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from recommender import audit
from recommender.conf import conf
from recommender.delivery import deliver
from recommender.exceptions import RunAlreadyActive
from recommender.leases import lapsed, settle, status_by_version
from recommender.models import AuditEntry, TrainingRun

logger = logging.getLogger(__name__)

Status = TrainingRun.Status
Act = AuditEntry.Act
_WHO: Final[dict[str, str]] = {
    TrainingRun.Trigger.COMMAND: audit.COMMAND_LINE,
    TrainingRun.Trigger.SCHEDULE: audit.SCHEDULE,
}
_SAID: Final = {
    "seed": gettext_noop("seed %(value)s"),
    "is_cold": gettext_noop("from scratch"),
    "effort": gettext_noop("effort %(value)s"),
    "augmentations": gettext_noop("augmentations %(value)s"),
    "judged_from": gettext_noop("judged from %(value)s"),
    "events_until": gettext_noop("events until %(value)s"),
}
WARM_FROM, COLD_BECAUSE = "warm_from", "cold_because"  # of a run's counts: how it began
LARGEST_SEED: Final = 2_147_483_647  # of the column
ONE_ACTIVE_RUN: Final = "recommender_one_active_run"  # the constraint


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen for one run.

    Attributes:
        seed: of every random choice. is_cold: begin anew instead of going on from the live version.
        effort: scales the epochs; None is RECOMMENDER_TRAINING_EFFORT.
        augmentations: some of `dataset.augmentations.AUGMENTATIONS`, or none; None is RECOMMENDER_AUGMENTATIONS.
        judged_from: the holdout begins here, so that two versions are judged by the same days; None is
            RECOMMENDER_HOLDOUT_DAYS before the newest event.
        events_until: later events are left out; None takes all until the run starts.
    """

    seed: int = 0
    is_cold: bool = False
    effort: float | None = None
    augmentations: list[str] | None = None
    judged_from: datetime | None = None
    events_until: datetime | None = None


def request_run(
    trigger: str,
    user: Any = None,
    options: Options = Options(),
    *,
    to_broker: bool = True,
    act: str = Act.REQUEST,
    counts: dict[str, Any] | None = None,
) -> TrainingRun:
    """Create a queued run and hand its id to the broker once the transaction is committed.

    Args:
        trigger: one of `TrainingRun.Trigger`.
        user: who asked for it, None for nobody.
        to_broker: False when the caller trains it itself.
        counts: what is known of it already.
    Raises:
        RunAlreadyActive: another run is queued or running.
    """
    try:
        with transaction.atomic():
            run = TrainingRun.objects.create(trigger=trigger, started_by=user, counts=counts or {}, **asdict(options))
            audit.record(act, user or _WHO.get(trigger), run=run, new=_chosen(options))
    except IntegrityError as error:
        if ONE_ACTIVE_RUN not in str(error):
            raise
        raise RunAlreadyActive(RunAlreadyActive.__doc__) from error
    if to_broker:
        transaction.on_commit(partial(deliver, run.pk))
    return run


def retry(run: TrainingRun, user: Any = None) -> TrainingRun:
    """A new run with the same options and events, which goes on from what is left of the old one's checkpoints; the old
    one stays as it ended.

    Raises:
        RunAlreadyActive: another run is queued or running.
    """
    options = Options(**{field.name: getattr(run, field.name) for field in fields(Options)})
    options = replace(options, events_until=run.events_until or run.started_at)
    start = {name: run.counts[name] for name in (WARM_FROM, COLD_BECAUSE) if name in run.counts}
    return request_run(TrainingRun.Trigger.ADMIN, user, options, act=Act.RETRY, counts=start)


def _chosen(options: Options) -> audit.Phrases:
    """What differs from the defaults, as "seed 3, effort 0.5, judged from 2026-11-09 02:55"."""
    chosen = [(field.name, getattr(options, field.name)) for field in fields(Options)]
    return [(_SAID[name], {"value": _plain(value)}) for name, value in chosen if value not in (0, False, None)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return " + ".join(value) or "–" if isinstance(value, list) else value


@transaction.atomic
def cancel(run: TrainingRun, user: Any = None) -> bool:
    """Stop a queued or running run; its process notices at its next heartbeat. False where it has ended already."""
    current = TrainingRun.objects.select_for_update().filter(pk=run.pk, status__in=TrainingRun.ACTIVE).first()
    if current is None or status_by_version(current.pk):  # its version is out: it only has to say so
        return False
    current.status = Status.CANCELLED
    current.lease_token = None
    current.eta_seconds = None
    current.error = _("Cancelled by %(user)s.") % {"user": user} if user else _("Cancelled.")
    current.save(update_fields=["status", "lease_token", "eta_seconds", "error"])
    TrainingRun.objects.filter(pk=current.pk).update(finished_at=Now())
    audit.record(Act.CANCEL, user, run=current)
    return True


def sweep() -> None:
    """Find runs that nobody works on and runs that the broker lost. Safe to call at any time, any number of times."""
    settle_lapsed()
    deliver_waiting()


def settle_lapsed() -> int:
    """Queue runs again whose worker has gone silent, or fail them after MAX_ATTEMPTS; returns how many."""
    what = _("The worker stopped answering")
    settled = [run for run in TrainingRun.objects.filter(lapsed()) if settle(run, lapsed(), what)]
    for run in settled:
        logger.warning("Training run %s had no heartbeat for %s s: given up", run.pk, conf.LEASE_SECONDS)
    return len(settled)


def deliver_waiting() -> int:
    """Send queued runs to the broker that it never got, or got long ago and may have lost; returns how many it took."""
    long_ago = Now() - Value(timedelta(seconds=conf.LEASE_SECONDS), output_field=DurationField())
    waiting = TrainingRun.objects.filter(Q(sent_at=None) | Q(sent_at__lt=long_ago), status=Status.QUEUED)
    # A second message for a run that still waits in the queue does no harm: the first to claim it has it.
    return sum(deliver(run_id) for run_id in waiting.values_list("pk", flat=True))
