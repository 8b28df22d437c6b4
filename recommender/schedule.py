"""Trainings that come by themselves: when the next one is due, and who may move it.

A row and the beat's task `train_if_due`, which asks every few minutes: two beats, or none for a while, do no harm.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from recommender import audit
from recommender.conf import conf
from recommender.exceptions import RunAlreadyActive
from recommender.models import AuditEntry, Event, TrainingRun, TrainingSchedule
from recommender.models.operations import DAY_HOURS
from recommender.runs import request_run

SKEW = timedelta(hours=1)  # that the database's clock may be ahead of this machine's


def request_run_if_due() -> TrainingRun | None:
    """The scheduled training: when it is due, and there is something to learn."""
    if not is_due(schedule(), timezone.now()):
        return None
    if not Event.objects.all()[conf.MIN_EVENTS - 1 : conf.MIN_EVENTS].exists():
        return None
    try:
        return request_run(TrainingRun.Trigger.SCHEDULE)
    except RunAlreadyActive:  # there is a run, which is all we want
        return None


def schedule() -> TrainingSchedule:
    """The stored schedule; before anybody stored one, that of the settings."""
    hours = conf.TRAINING_INTERVAL_HOURS
    return TrainingSchedule.objects.first() or TrainingSchedule(is_on=bool(hours), every_hours=hours or DAY_HOURS)


def next_due(plan: TrainingSchedule, now: datetime) -> datetime | None:
    """When the next scheduled training is due, `now` where that is past; None while the schedule is off.

    With an hour of the day, days are counted from the last such hour before the newest run, so that a training that
    started a few minutes late does not move the following ones. A run from the future says that a clock was ahead once:
    it counts as none, or nothing would be trained until that day.
    """
    if not plan.is_on:
        return None
    runs = TrainingRun.objects.filter(created_at__lte=now + SKEW)
    newest = runs.order_by("-pk").values_list("created_at", flat=True).first()
    if newest is None:
        return now
    if plan.hour is None:
        return max(now, newest + timedelta(hours=plan.every_hours))
    began = timezone.localtime(newest)
    slot = began.replace(hour=plan.hour, minute=0, second=0, microsecond=0)
    if slot > began:
        slot -= timedelta(days=1)
    return max(now, slot + timedelta(hours=plan.every_hours))


def is_due(plan: TrainingSchedule, now: datetime) -> bool:
    """Whether the scheduled training should be requested now."""
    return next_due(plan, now) == now


@transaction.atomic
def set_schedule(plan: TrainingSchedule, user: Any = None) -> None:
    """Store a schedule and who changed it.

    Raises:
        ValidationError: its fields do not fit together.
    """
    before = schedule().phrase
    plan.full_clean()
    plan.save()
    if plan.phrase != before:
        audit.record(AuditEntry.Act.SCHEDULE, user, old=[before], new=[plan.phrase])
