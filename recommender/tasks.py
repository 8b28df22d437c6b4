"""Celery's doors: each takes an id or nothing and calls a plain function. No torch here, see `supervision`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import Error, connection

from recommender import runs, supervision
from recommender.capture import keep, ledger, partitions, quarantine
from recommender.capture.impressions import forget_old_impressions
from recommender.capture.rate_limit import forget_empty_buckets
from recommender.delivery import TRAIN_TASK
from recommender.privacy import retention


@shared_task(name=TRAIN_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def train(run_id: int) -> None:
    """Train a queued run in a process of its own; a run that is not queued (any more) is left alone."""
    supervision.train_in_own_process(run_id)


@shared_task(name="recommender.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Every 30 s: queue again or fail what a dead worker left, send again what the broker lost."""
    runs.sweep()


@shared_task(name="recommender.train_if_due", ignore_result=True)  # type: ignore[untyped-decorator]
def train_if_due() -> None:
    """Every few minutes: request the scheduled training when TRAINING_INTERVAL_HOURS have passed."""
    runs.request_run_if_due()


@shared_task(name="recommender.tidy", ignore_result=True)  # type: ignore[untyped-decorator]
def tidy() -> None:
    """Every few minutes: delete keyed hashes of addresses that were used, and impressions that are too old."""
    forget_empty_buckets()
    forget_old_impressions()


@shared_task(name="recommender.keep_books", ignore_result=True)  # type: ignore[untyped-decorator]
def keep_books() -> None:
    """Every minute: store what waits on this machine's disk, make the next months' partitions, add the ledger up."""
    keep.drain()
    partitions.create_ahead(datetime.now(UTC).date())
    ledger.compact()
    quarantine.trim()


@shared_task(name="recommender.expire", ignore_result=True)  # type: ignore[untyped-decorator]
def expire() -> None:
    """Every half hour: delete events past their retention, end the ids of visits that are over."""
    retention.expire()


def beat_schedule() -> dict[str, dict[str, Any]]:
    """The plugin's entries for Celery's `beat_schedule`; two beats at once do no harm."""
    return {
        "recommender-sweep": {
            "task": "recommender.sweep",
            "schedule": timedelta(seconds=30),
            "options": {"expires": 30},
        },
        "recommender-train-if-due": {
            "task": "recommender.train_if_due",
            "schedule": timedelta(minutes=5),
            "options": {"expires": 300},
        },
        "recommender-tidy": {
            "task": "recommender.tidy",
            "schedule": timedelta(minutes=5),
            "options": {"expires": 300},
        },
        "recommender-keep-books": {
            "task": "recommender.keep_books",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 60},
        },
        "recommender-expire": {
            "task": "recommender.expire",
            "schedule": timedelta(minutes=30),
            "options": {"expires": 1800},
        },
    }


@worker_ready.connect  # type: ignore[untyped-decorator]
def sweep_at_start(**kwargs: Any) -> None:
    """A worker that comes back takes up what its predecessor left, whether or not a beat is running."""
    try:
        runs.sweep()
    except Error:  # the beat's sweep comes soon; a worker must start without a database, too
        supervision.logger.warning("No sweep at the start: the database does not answer", exc_info=True)
    finally:
        connection.close()  # pool processes forked later must not share it
