"""Whether this web process can answer lists, and what is missing: cheap enough to be asked every second."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import Error, ProgrammingError
from django.db.models.functions import Now
from django.utils import timezone

from recommender.capture.outage import database_is_away
from recommender.conf import conf
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import Heartbeat
from recommender.serving.breaker import open_breakers

READY: Final = "ready"
DEGRADED: Final = "degraded"  # lists are answered, but simpler or older ones; or something beside them stands still
UNREADY: Final = "unready"  # this process's code does not fit the database
SILENT_AFTER: Final = timedelta(minutes=2)  # of `recommender.sweep`, which runs every 30 s
ASKED_EVERY_SECONDS: Final = 1.0

REASONS: Final = {
    "migrations": "The plugin's tables are missing or older than its code: manage.py migrate recommender",
    "database": "Postgres does not answer within RECOMMENDER_BUDGET_MS: lists come from this machine's disk.",
    "rungs": "Rungs of the ladder failed again and again and are tried once a second: {rungs}",
    "no_version": "No version is live: run manage.py recommender_train, or publish one.",
    "events_on_disk": "Events wait in RECOMMENDER_SPILL_FOLDER until the database takes them.",
    "beat": "recommender.sweep has not run for two minutes: look at the Celery beat and its worker.",
}


@dataclass(frozen=True, slots=True)
class Health:
    """`reasons`: names out of REASONS → words for people who run the shop."""

    status: str
    reasons: dict[str, str]


_found: tuple[Health, float] | None = None  # and until when it is told again (monotonic)


def current_health() -> Health:
    """At most ASKED_EVERY_SECONDS old, so that being asked costs the database nothing."""
    global _found
    if _found is None or time.monotonic() >= _found[1]:
        _found = _look(), time.monotonic() + ASKED_EVERY_SECONDS
    return _found[0]


def forget_health() -> None:
    global _found
    _found = None


def note_beat() -> None:
    """The schedule has reached a worker."""
    Heartbeat.objects.update_or_create(name=Heartbeat.BEAT, defaults={"at": Now()})


def _look() -> Health:
    missing: dict[str, Any] = {}
    try:
        with reading(conf.BUDGET_MS):
            if live_version() is None:
                missing["no_version"] = {}
            beat = Heartbeat.objects.filter(name=Heartbeat.BEAT).first()
        if beat is None or beat.at < timezone.now() - SILENT_AFTER:
            missing["beat"] = {}
    except ProgrammingError:
        missing["migrations"] = {}
    except Error:
        missing["database"] = {}
    if rungs := open_breakers():
        missing["rungs"] = {"rungs": ", ".join(rungs)}
    if database_is_away():
        missing["events_on_disk"] = {}
    status = UNREADY if "migrations" in missing else DEGRADED if missing else READY
    return Health(status, {name: REASONS[name].format(**words) for name, words in missing.items()})
