"""Start and stop an experiment. What it shows is fixed at its start: only its share may grow. Each act is audited."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from recommender import audit
from recommender.exceptions import ExperimentRefused
from recommender.models import Arm, AuditEntry, Experiment
from recommender.uplift.report import read

Status = Experiment.Status
Act = AuditEntry.Act


def start(experiment: Experiment, by: Any = None) -> Experiment:
    """Serve visitors by its arms from now on.

    Args:
        by: who does it, see `audit.record`.
    Raises:
        ExperimentRefused: it is no draft, another one runs, or its arms cannot be compared.
    """
    with transaction.atomic():
        stored = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if stored.status != Status.DRAFT:
            raise ExperimentRefused(_("Only a draft can start: copy it into a new one."))
        running = Experiment.objects.filter(status=Status.RUNNING).first()
        if running is not None:
            raise ExperimentRefused(_("“%(name)s” runs: stop it first.") % {"name": running})
        _require_comparable(list(stored.arms.select_related("version")))
        stored.status, stored.started_at, stored.started_by = Status.RUNNING, timezone.now(), audit.user_of(by)
        stored.save(update_fields=["status", "started_at", "started_by"])
        audit.record(Act.START, by, experiment=stored, new=f"{_percent(stored.share)}; {arms_in_words(stored)}")
    return stored


def stop(experiment: Experiment, by: Any = None) -> Experiment:
    """Serve everybody as before; the result is kept with the experiment, since impressions are deleted one day.

    Args:
        by: who does it, see `audit.record`.
    Raises:
        ExperimentRefused: it does not run.
    """
    with transaction.atomic():
        stored = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if stored.status != Status.RUNNING:
            raise ExperimentRefused(_("It does not run."))
        stored.status, stored.stopped_at = Status.STOPPED, timezone.now()
        stored.result = read(stored).as_json()
        stored.save(update_fields=["status", "stopped_at", "result"])
        audit.record(Act.STOP, by, experiment=stored)
    return stored


def ramp(experiment: Experiment, share: float, by: Any = None) -> Experiment:
    """Let more visitors take part; nobody changes arms by it.

    Args:
        by: who does it, see `audit.record`.
    Raises:
        ExperimentRefused: it does not run, or fewer would take part: those who leave would have been in an arm before.
    """
    with transaction.atomic():
        stored = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if stored.status != Status.RUNNING:
            raise ExperimentRefused(_("It does not run."))
        if not stored.share <= share <= 1:
            raise ExperimentRefused(_("The share of a running experiment can only grow, up to all visitors."))
        before, stored.share = _percent(stored.share), share
        stored.save(update_fields=["share"])
        audit.record(Act.RAMP, by, experiment=stored, old=before, new=_percent(share))
    return stored


def arms_in_words(experiment: Experiment) -> str:
    """ "Popular 1, Ours 2": names and weights, the control first."""
    arms = experiment.arms.order_by("-is_control", "pk")
    return ", ".join(f"{arm.name} {arm.weight}" for arm in arms)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _require_comparable(arms: list[Arm]) -> None:
    if len(arms) < 2 and not any(arm.strategy == Arm.Strategy.INTERLEAVED for arm in arms):
        raise ExperimentRefused(_("An experiment needs two arms at least."))
    if not any(arm.is_control for arm in arms):
        raise ExperimentRefused(_("Mark the arm that the others are compared with."))
    if any(arm.weight == 0 for arm in arms):
        raise ExperimentRefused(_("Give each arm a weight above 0, or take it out."))
    for arm in arms:
        if arm.version is not None and not arm.version.has_vectors:
            raise ExperimentRefused(_("%(version)s has no vectors any more.") % {"version": arm.version})
