"""Celery's doors: each takes an id or nothing and calls a plain function. No torch here, see `supervision`."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from celery import shared_task
from celery.signals import worker_ready
from django.db import Error, connection

from recommender import refresh, runs, schedule, supervision
from recommender.capture import ledger, outage, partitions, quarantine
from recommender.capture.drained import forget_drained
from recommender.capture.impressions import forget_old_impressions
from recommender.capture.rate_limit import forget_empty_buckets
from recommender.delivery import ESTIMATE_TASK, TRAIN_TASK
from recommender.estimated_clicks import estimate_clicks, estimate_waiting
from recommender.item_changes import REFRESH_TASK
from recommender.models import ModelVersion
from recommender.operations.health import note_beat
from recommender.privacy import retention

# Many projects limit all their tasks to minutes (task_time_limit). Celery knows no "none" for one of them, so: a week.
_WEEK_SECONDS: Final = 7 * 24 * 60 * 60
UNHURRIED: Final = {"time_limit": _WEEK_SECONDS, "soft_time_limit": _WEEK_SECONDS}


@shared_task(name=TRAIN_TASK, ignore_result=True, **UNHURRIED)  # type: ignore[untyped-decorator]
def train(run_id: int) -> None:
    """Train a queued run in a process of its own; a run that is not queued (any more) is left alone."""
    supervision.train_in_own_process(run_id)


@shared_task(name="recommender.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Every 30 s: queue again or fail what a dead worker left, send again what the broker lost."""
    runs.sweep()
    note_beat()


@shared_task(name="recommender.train_if_due", ignore_result=True)  # type: ignore[untyped-decorator]
def train_if_due() -> None:
    """Every few minutes: request the scheduled training when it is due."""
    schedule.request_run_if_due()


@shared_task(name="recommender.tidy", ignore_result=True)  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Every few minutes: delete keyed hashes of addresses that were used, impressions and notes that are too old."""
    forget_empty_buckets()
    forget_drained()
    forget_old_impressions()


@shared_task(name="recommender.keep_books", ignore_result=True)  # type: ignore[untyped-decorator]
def keep_books() -> None:
    """Every minute: make the next months' partitions, add the ledger up, store what waits on this machine's disk."""
    partitions.create_ahead(datetime.now(UTC).date())
    ledger.compact()
    quarantine.trim()
    outage.drain()  # last: a file that cannot be stored must hold nothing else up


@shared_task(name="recommender.expire", ignore_result=True)  # type: ignore[untyped-decorator]
def expire() -> None:
    """Every half hour: delete events past their retention, end the ids of visits that are over."""
    retention.expire()


@shared_task(name=REFRESH_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def refresh_items() -> None:
    """After an item was saved, and every 30 s: take what changed into the live version."""
    refresh.refresh_items()


@shared_task(name="recommender.find_items", ignore_result=True)  # type: ignore[untyped-decorator]
def find_items() -> None:
    """Every few minutes: take items into the live version that came past `save()`."""
    refresh.take_in_missing()


@shared_task(name=ESTIMATE_TASK, ignore_result=True, **UNHURRIED)  # type: ignore[untyped-decorator]
def estimate(version_id: int | None = None) -> None:
    """Every hour, or for one version when somebody asks: estimate clicks from lists of other versions."""
    if version_id is None:
        estimate_waiting()
    elif (version := ModelVersion.objects.filter(pk=version_id, has_vectors=True).first()) is not None:
        estimate_clicks(version)


def beat_schedule() -> dict[str, dict[str, Any]]:
    """The plugin's entries for Celery's `beat_schedule`; two beats at once do no harm."""
    return {
        "recommender-sweep": _every(sweep, seconds=30),
        "recommender-refresh-items": _every(refresh_items, seconds=30),
        "recommender-find-items": _every(find_items, minutes=5),
        "recommender-train-if-due": _every(train_if_due, minutes=5),
        "recommender-tidy": _every(tidy, minutes=5),
        "recommender-keep-books": _every(keep_books, minutes=1),
        "recommender-expire": _every(expire, minutes=30),
        "recommender-estimate-clicks": _every(estimate, minutes=60),
    }


def _every(task: Any, **interval: float) -> dict[str, Any]:
    """A task that nobody took before the next one is due is dropped."""
    schedule = timedelta(**interval)
    return {"task": task.name, "schedule": schedule, "options": {"expires": int(schedule.total_seconds())}}


@worker_ready.connect  # type: ignore[untyped-decorator]
def sweep_at_start(**kwargs: Any) -> None:
    """A worker that comes back takes up what its predecessor left, whether or not a beat is running."""
    try:
        runs.sweep()
    except Error:  # the beat's sweep comes soon; a worker must start without a database, too
        supervision.logger.warning("No sweep at the start: the database does not answer", exc_info=True)
    finally:
        connection.close()  # pool processes forked later must not share it
