"""`manage.py recommender_doctor`: everything that lists, capture and training need, looked at once."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from recommender.capture.ledger import store_alarms
from recommender.capture.outage import spill_files
from recommender.capture.partitions import existing_months, months_ahead
from recommender.conf import conf
from recommender.delivery import BROKER_SECONDS, impatient
from recommender.exceptions import ArtifactCorrupt, NoLiveVersion, VectorExtensionMissing
from recommender.index.partitions import has_known_bugs, has_partition
from recommender.models import Heartbeat, ModelArtifact, ModelVersion
from recommender.operations.findings import ERROR, OK, WARNING, Finding, Look, look_at
from recommender.operations.health import SILENT_AFTER

OLD_VERSION_INTERVALS: Final = 3  # of TRAINING_INTERVAL_HOURS


def database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), pg_is_in_recovery()")
        version, is_replica = cursor.fetchone()
    if is_replica:
        return Finding(
            "database", ERROR, f"Postgres {version} is a read-only replica.", "Name the primary in DATABASES."
        )
    return Finding("database", OK, f"Postgres {version}")


def pgvector() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        row = cursor.fetchone()
    if row is None:
        return Finding("pgvector", ERROR, "The extension is not there.", str(VectorExtensionMissing.__doc__))
    if has_known_bugs(row[0]):
        return Finding("pgvector", WARNING, f"{row[0]} has known bugs.", "ALTER EXTENSION vector UPDATE")
    return Finding("pgvector", OK, row[0])


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "recommender"]
    missing = [migration.name for migration, _ in executor.migration_plan(targets)]
    if missing:
        return Finding("migrations", ERROR, f"Not applied: {', '.join(missing)}", "manage.py migrate recommender")
    return Finding("migrations", OK, "all applied")


def version() -> Finding:
    live = ModelVersion.objects.filter(is_live=True).first()
    if live is None:
        return Finding("version", WARNING, "No version is live.", str(NoLiveVersion.__doc__))
    if not has_partition(live.pk):
        fix = "Publish another version (manage.py recommender_publish), or retrain."
        return Finding("version", ERROR, f"The vectors of version {live.pk} are gone.", fix)
    age = timezone.now() - (live.published_at or live.created_at)
    told = f"version {live.pk}, {live.item_count} items, published {age.total_seconds() / 3_600:.0f} hours ago"
    interval = conf.TRAINING_INTERVAL_HOURS
    if interval and age > OLD_VERSION_INTERVALS * timedelta(hours=interval):
        return Finding("version", WARNING, told, "Look at the newest trainings in admin: were they refused, or none?")
    return Finding("version", OK, told)


def artifacts() -> Finding:
    broken = [
        f"{artifact.name} of version {artifact.version_id}"
        for artifact in ModelArtifact.objects.filter(version__is_live=True)
        if hashlib.sha256(bytes(artifact.content)).hexdigest() != artifact.sha256
    ]
    if broken:
        return Finding(
            "artifacts", ERROR, f"Changed since it was written: {', '.join(broken)}", str(ArtifactCorrupt.__doc__)
        )
    return Finding("artifacts", OK, "the live version's files are as they were written")


def partitions() -> Finding:
    months, wanted = set(existing_months()), months_ahead(datetime.now(UTC).date())
    missing = [f"{month:%Y-%m}" for month in wanted if month not in months]
    has_default_rows, differs = store_alarms()
    fix = "Start the Celery beat: recommender.keep_books makes them."
    if has_default_rows or wanted[0] not in months:
        return Finding("partitions", ERROR, "Events lie in no month's partition.", fix)
    if differs:
        fix = "Please report the lines of manage.py recommender_ledger: rows that were received have no outcome."
        return Finding("partitions", ERROR, "The ledger does not add up.", fix)
    if missing:
        return Finding("partitions", WARNING, f"Not made ahead: {', '.join(missing)}", fix)
    return Finding("partitions", OK, f"made until {wanted[-1]:%Y-%m}")


def broker() -> Finding:
    fix = "Start it, or correct CELERY_BROKER_URL; until then train by manage.py recommender_train."
    try:
        with _broker() as link:
            link.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
            return Finding("broker", OK, link.as_uri())
    except Exception as error:  # every transport raises its own
        return Finding("broker", ERROR, f"It does not answer: {error}", fix)


def workers() -> Finding:
    """Who listens, and whether somebody takes trainings and somebody the short tasks."""
    command = "celery -A your_project worker -Q"
    short = current_app.conf.task_default_queue
    needed = {conf.TRAINING_QUEUE: f"{command} {conf.TRAINING_QUEUE} --concurrency=1", short: f"{command} {short}"}
    try:
        with _broker() as link:
            link.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
            inspect = current_app.control.inspect(timeout=1.0, connection=link)
            queues: dict[str, Any] = inspect.active_queues() or {}
    except Exception as error:  # as above
        return Finding("workers", ERROR, f"Nobody can be asked: {error}", "Mend the broker first.")
    if not queues:
        return Finding("workers", ERROR, "No worker answers.", f"Start them: {'; '.join(needed.values())}")
    heard = {queue["name"] for of_worker in queues.values() for queue in of_worker}
    missing = [name for name in needed if name not in heard]
    told = ", ".join(sorted(queues))
    if missing:
        fix = f"Start one: {'; '.join(needed[name] for name in missing)}"
        return Finding("workers", WARNING, f"None of {told} takes the queue {' or '.join(missing)}.", fix)
    return Finding("workers", OK, told)


def beat() -> Finding:
    row = Heartbeat.objects.filter(name=Heartbeat.BEAT).first()
    fix = "Start one: celery -A your_project beat, with recommender.tasks.beat_schedule(), and a worker for its tasks."
    if row is None:
        return Finding("beat", ERROR, "recommender.sweep has never run.", fix)
    silent = timezone.now() - row.at
    if silent > SILENT_AFTER:
        return Finding("beat", ERROR, f"recommender.sweep ran {silent.total_seconds() / 60:.0f} minutes ago.", fix)
    return Finding("beat", OK, f"recommender.sweep ran {silent.total_seconds():.0f} seconds ago")


def cache_answers() -> Finding:
    key, value = f"recommender:doctor:{os.getpid()}", uuid.uuid4().hex
    fix = "Look at CACHES; without a cache popular lists are counted for every page."
    try:
        cache.set(key, value, 10)
        found = cache.get(key)
        cache.delete(key)
    except Exception as error:  # backends raise whatever their client raises
        return Finding("cache", WARNING, f"It does not answer: {error}", fix)
    return Finding("cache", OK, "answers") if found == value else Finding("cache", WARNING, "It forgets at once.", fix)


def spill() -> Finding:
    spilled = spill_files()
    if spilled is None:
        fix = "Set RECOMMENDER_SPILL_FOLDER to a folder of this machine that survives a restart."
        return Finding("spill", WARNING, "Events are refused while the database is away.", fix)
    folder = Path(conf.SPILL_FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f"doctor-{uuid.uuid4().hex}"
        probe.write_bytes(b"x")
        probe.unlink()
        waiting = sum(path.stat().st_size for path in folder.glob("*.spill"))
    except OSError as error:
        return Finding("spill", ERROR, f"{folder}: {error}", "Give the web process a folder that it can write to.")
    if damaged := [path.name for path in folder.glob("*.damaged")]:
        return Finding(
            "spill", WARNING, f"{folder}: {', '.join(damaged)}", "See docs/operations.md, “What to do when”."
        )
    if waiting:
        fix = "Nothing, if the database was away just now; else start the beat: recommender.keep_books stores them."
        return Finding("spill", WARNING, f"{folder}: {waiting} bytes of events wait.", fix)
    return Finding("spill", OK, str(folder))


LOOKS: Final[dict[str, Look]] = {
    "database": database,
    "pgvector": pgvector,
    "migrations": migrations,
    "version": version,
    "artifacts": artifacts,
    "partitions": partitions,
    "broker": broker,
    "workers": workers,
    "beat": beat,
    "cache": cache_answers,
    "spill": spill,
}
NEED_DATABASE: Final = frozenset({"database", "pgvector", "migrations", "version", "artifacts", "partitions", "beat"})


def examine() -> Iterator[Finding]:
    """All looks, one finding each."""
    return look_at(LOOKS, NEED_DATABASE)


def _broker() -> Any:
    return current_app.connection_for_write(connect_timeout=BROKER_SECONDS, transport_options=impatient())
