"""The scheduled training: when it is due, who changes it, and that two beats request one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from recommender import schedule
from recommender.leases import claim
from recommender.models import AuditEntry, TrainingRun, TrainingSchedule, Visitor
from tests.worlds import make_event, make_products

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def enough_events(settings: Any) -> None:
    settings.RECOMMENDER_MIN_EVENTS = 2
    visitor, product = Visitor.objects.create(), make_products(1)[0]
    for _ in range(2):
        make_event(visitor, product)


def trained_at(moment: datetime) -> None:
    run = TrainingRun.objects.create(trigger="schedule", status="published")
    TrainingRun.objects.filter(pk=run.pk).update(created_at=moment)


def test_a_shop_with_too_few_events_is_not_trained() -> None:
    assert schedule.request_run_if_due() is None


def test_two_beats_request_one_run_an_interval(enough_events: None) -> None:
    run = schedule.request_run_if_due()
    assert run is not None and run.trigger == TrainingRun.Trigger.SCHEDULE
    assert AuditEntry.objects.get(run=run).by == "schedule"
    assert schedule.request_run_if_due() is None
    claim(run.pk).publish_or_refuse(True)
    assert schedule.request_run_if_due() is None, "the interval has not passed"
    TrainingRun.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert schedule.request_run_if_due() is not None


def test_no_interval_no_schedule(enough_events: None, settings: Any) -> None:
    settings.RECOMMENDER_TRAINING_INTERVAL_HOURS = None
    assert schedule.request_run_if_due() is None


def test_the_stored_row_wins_over_the_setting(enough_events: None, settings: Any) -> None:
    schedule.set_schedule(TrainingSchedule(is_on=False))
    assert schedule.request_run_if_due() is None
    settings.RECOMMENDER_TRAINING_INTERVAL_HOURS = None
    schedule.set_schedule(TrainingSchedule(is_on=True, every_hours=6))
    assert schedule.request_run_if_due() is not None
    assert TrainingSchedule.objects.count() == 1


@pytest.mark.parametrize("hour", [None, 3])
def test_a_clock_that_was_ahead_once_does_not_stop_the_trainings(hour: int | None) -> None:
    now = timezone.now()
    plan = TrainingSchedule(every_hours=24, hour=hour)
    trained_at(now - timedelta(hours=50))
    trained_at(now + timedelta(days=400))
    assert schedule.is_due(plan, now)
    trained_at(now + timedelta(seconds=2))  # by the database's clock
    assert not schedule.is_due(plan, now + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("every_hours", "began", "due"),
    [
        (24, MONDAY + timedelta(hours=3, minutes=4), MONDAY + timedelta(hours=27)),  # a late start does not drift
        (24, MONDAY + timedelta(hours=14), MONDAY + timedelta(hours=27)),  # somebody pressed the button at noon
        (168, MONDAY + timedelta(hours=3, minutes=4), MONDAY + timedelta(days=7, hours=3)),
    ],
)
def test_with_an_hour_days_are_counted_from_that_hour(every_hours: int, began: datetime, due: datetime) -> None:
    trained_at(began)
    plan = TrainingSchedule(every_hours=every_hours, hour=3)
    assert schedule.next_due(plan, began) == due
    assert not schedule.is_due(plan, due - timedelta(minutes=1))
    assert schedule.is_due(plan, due + timedelta(minutes=4))


def test_an_hour_of_the_day_needs_whole_days() -> None:
    with pytest.raises(ValidationError):
        schedule.set_schedule(TrainingSchedule(every_hours=6, hour=3))
    assert not TrainingSchedule.objects.exists() and not AuditEntry.objects.exists()


def test_a_change_is_in_the_audit_with_before_and_after() -> None:
    schedule.set_schedule(TrainingSchedule(every_hours=48, hour=4))
    schedule.set_schedule(TrainingSchedule(every_hours=48, hour=4))  # no change
    entry = AuditEntry.objects.get()
    assert (entry.act, entry.old, entry.new) == ("schedule", "every 24 h", "every 48 h, at 4:00")
