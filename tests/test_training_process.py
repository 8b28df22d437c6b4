"""A real training in a real process: it publishes, it is told to stop, it is killed, its worker is killed."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from demo.processes import start, stop
from recommender import runs
from recommender.models import ModelVersion, TrainingRun
from recommender.supervision import train_in_own_process
from tests.plugin import ROOT, worker_environment
from tests.training_worlds import make_trainable_shop

Status = TrainingRun.Status
pytestmark = [pytest.mark.django_db(transaction=True)]
PATIENCE_SECONDS = 120.0


def wait_for(what: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"it did not happen in time: {TrainingRun.objects.values().first()}"
        time.sleep(0.05)


def training_processes(parent: psutil.Process | None = None) -> list[psutil.Process]:
    found = []
    for child in (parent or psutil.Process()).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # one that has just ended
            found += [child] if "recommender.training_process" in child.cmdline() else []
    return found


def state(run: TrainingRun) -> str:
    run.refresh_from_db()
    return run.status


@pytest.fixture
def quick(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of this process work on the test database, with few epochs and a short lease."""
    for name, value in quick_environment(broker_url).items():
        monkeypatch.setenv(name, value)


def quick_environment(broker_url: str) -> dict[str, str]:
    return {**worker_environment(broker_url), "DJANGO_SETTINGS_MODULE": "tests.settings_quick_training"}


@contextmanager
def training(run: TrainingRun) -> Iterator[psutil.Process]:
    """The training process of this run, once it has made its first report; its supervisor ends with the block."""

    def supervise() -> None:
        try:
            train_in_own_process(run.pk)
        finally:
            connection.close()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        wait_for(lambda: TrainingRun.objects.filter(pk=run.pk, stage__gt="").exists())
        (process,) = training_processes()
        yield process
    finally:
        for process in training_processes():  # only where the test failed
            process.kill()
        supervisor.join(PATIENCE_SECONDS)
    assert not supervisor.is_alive()


@pytest.fixture
def run(quick: None) -> TrainingRun:
    make_trainable_shop()
    return runs.request_run(TrainingRun.Trigger.ADMIN, to_broker=False)


@pytest.mark.slow
def test_a_run_is_trained_judged_and_published(run: TrainingRun) -> None:
    train_in_own_process(run.pk)
    assert state(run) == Status.PUBLISHED, run.error + run.log
    assert ModelVersion.objects.get(run=run).is_live
    assert {row["stage"] for row in run.losses} >= {"graph", "sequence"}
    assert run.counts["events"] == 480 and run.device and run.finished_at


def test_too_few_events_are_a_refusal_with_advice_not_a_crash(quick: None) -> None:
    run = runs.request_run(TrainingRun.Trigger.ADMIN, to_broker=False)
    train_in_own_process(run.pk)
    assert state(run) == Status.REFUSED
    assert "Record more events" in run.error and run.log == ""


def test_a_killed_training_is_recorded_as_out_of_memory(run: TrainingRun) -> None:
    with training(run) as process:
        process.kill()
    assert state(run) == Status.FAILED
    assert "ran out of memory" in run.error and "Retry" in run.error
    assert runs.retry(run).status == Status.QUEUED


def test_a_cancelled_training_ends_by_itself(run: TrainingRun) -> None:
    with training(run) as process:
        cancelled_at = timezone.now()
        assert runs.cancel(run)
        process.wait(10)
        assert (timezone.now() - cancelled_at).total_seconds() < 10
    assert state(run) == Status.CANCELLED


def test_a_training_that_is_told_to_stop_hands_its_run_back(run: TrainingRun) -> None:
    with training(run) as process:
        process.terminate()
        process.wait(10)
    assert (state(run), run.attempts, run.sent_at) == (Status.QUEUED, 1, None)
    assert "stopped" in run.error


def test_a_message_for_a_run_that_is_not_queued_changes_nothing(run: TrainingRun) -> None:
    runs.cancel(run)
    train_in_own_process(run.pk)
    assert state(run) == Status.CANCELLED


@contextmanager
def worker(broker_url: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-Q", "celery,training", "-c", "1"]
    process = start([*argv, "--without-gossip", "--without-mingle"], log, cwd=ROOT, env=quick_environment(broker_url))
    try:
        yield process
    finally:
        stop(process, grace_seconds=15)
        sys.stderr.write(log.read_text(errors="replace"))


@pytest.mark.slow
def test_a_training_outlives_the_loss_of_its_database_connections(run: TrainingRun) -> None:
    with training(run), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchall()
        wait_for(lambda: not TrainingRun.objects.filter(pk=run.pk, status=Status.RUNNING).exists())
    assert state(run) == Status.PUBLISHED, run.error + run.log


def test_an_eager_celery_trains_at_once(quick: None) -> None:
    current_app.conf.task_always_eager = True
    try:
        run = runs.request_run(TrainingRun.Trigger.ADMIN)
    finally:
        current_app.conf.task_always_eager = False
    assert state(run) == Status.REFUSED and "Record more events" in run.error


@pytest.mark.slow
def test_a_projects_time_limits_for_its_tasks_do_not_hold_for_a_training(
    run: TrainingRun, broker_url: str, tmp_path: Path
) -> None:
    runs.sweep()
    with worker(broker_url, tmp_path / "worker.log"):
        wait_for(lambda: state(run) not in TrainingRun.ACTIVE or run.attempts > 1 or bool(run.error))
    assert (run.status, run.attempts) == (Status.PUBLISHED, 1), run.error


@pytest.mark.slow
def test_a_worker_that_is_restarted_hands_its_run_back_at_once(
    run: TrainingRun, broker_url: str, tmp_path: Path
) -> None:
    runs.sweep()
    with worker(broker_url, tmp_path / "worker.log") as stopped:
        wait_for(lambda: TrainingRun.objects.filter(pk=run.pk, stage__gt="").exists())
        (trainer,) = training_processes(psutil.Process(stopped.pid))
        stopped.terminate()
        stopped.wait(20)
        trainer.wait(15)
    assert (state(run), run.attempts, run.sent_at) == (Status.QUEUED, 1, None)


@pytest.mark.slow
def test_when_the_worker_is_killed_the_next_one_takes_the_run_up(
    run: TrainingRun, broker_url: str, tmp_path: Path
) -> None:
    runs.sweep()  # hands it to the broker
    with worker(broker_url, tmp_path / "first.log") as first:
        wait_for(lambda: TrainingRun.objects.filter(pk=run.pk, stage__gt="").exists())
        family = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        (trainer,) = training_processes(family[0])
        for process in family:
            if process != trainer:
                process.kill()
        trainer.wait(15)  # it ends with its worker
    assert state(run) == Status.QUEUED
    with worker(broker_url, tmp_path / "second.log"):  # sweeps when it starts
        wait_for(lambda: state(run) not in TrainingRun.ACTIVE)
    assert run.status == Status.PUBLISHED, run.error
    assert run.attempts == 2
