"""The life of a run: one at a time, fenced writes, nothing lost with a worker or a broker."""

import math
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from demo.processes import free_port
from recommender import runs
from recommender.conf import conf
from recommender.encoders.progress import Progress
from recommender.exceptions import LeaseLost, RunAlreadyActive
from recommender.leases import Lease, claim, hold
from recommender.models import TrainingRun
from tests.worlds import make_products, write_tiny_version

Status = TrainingRun.Status
pytestmark = pytest.mark.django_db


def new_run(**values: Any) -> TrainingRun:
    """A queued run that the broker knows."""
    defaults = {"trigger": TrainingRun.Trigger.ADMIN, "sent_at": timezone.now()}
    return TrainingRun.objects.create(**defaults | values)


def silence(run_id: int, seconds: float | None = None) -> None:
    """As if the last heartbeat had been so long ago."""
    age = timedelta(seconds=conf.LEASE_SECONDS + 1 if seconds is None else seconds)
    TrainingRun.objects.filter(pk=run_id).update(heartbeat_at=timezone.now() - age)


def messages_waiting() -> int:
    with current_app.connection_for_read() as connection:
        return int(connection.default_channel.client.llen(conf.TRAINING_QUEUE))


@pytest.fixture
def empty_queue(broker_url: str) -> None:
    with current_app.connection_for_read() as connection:
        connection.default_channel.client.delete(conf.TRAINING_QUEUE)


@pytest.fixture
def unused_port() -> int:
    return free_port()


class TestRequest:
    def test_a_second_run_is_refused_while_one_is_queued_or_running(self) -> None:
        run = new_run()
        with pytest.raises(RunAlreadyActive):
            runs.request_run(TrainingRun.Trigger.ADMIN)
        claim(run.pk)
        with pytest.raises(RunAlreadyActive):
            runs.request_run(TrainingRun.Trigger.SCHEDULE)
        assert TrainingRun.objects.count() == 1

    def test_an_ended_run_makes_room(self) -> None:
        claim(new_run().pk).fail("broken")
        assert runs.request_run(TrainingRun.Trigger.COMMAND, options=runs.Options(seed=7)).seed == 7

    def test_the_id_goes_to_the_broker_only_with_the_commit(
        self, empty_queue: None, django_capture_on_commit_callbacks: Callable[..., Any]
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            run = runs.request_run(TrainingRun.Trigger.ADMIN)
            assert messages_waiting() == 0
        assert messages_waiting() == 1
        run.refresh_from_db()
        assert run.sent_at is not None

    def test_without_a_broker_the_run_stays_queued_and_is_delivered_later(
        self,
        empty_queue: None,
        unused_port: int,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Callable[..., Any],
    ) -> None:
        with monkeypatch.context() as broken, django_capture_on_commit_callbacks(execute=True):
            broken.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{unused_port}/0")
            began = timezone.now()
            run = runs.request_run(TrainingRun.Trigger.ADMIN)
        assert timezone.now() - began < timedelta(seconds=3), "a page waits for this"
        run.refresh_from_db()
        assert (run.status, run.sent_at) == (Status.QUEUED, None)

        assert runs.deliver_waiting() == 1
        assert messages_waiting() == 1
        assert runs.deliver_waiting() == 0, "the broker has it now"

    def test_a_retry_is_a_new_run_with_the_same_seed(self) -> None:
        first = runs.request_run(TrainingRun.Trigger.COMMAND, options=runs.Options(seed=5), to_broker=False)
        claim(first.pk).fail("broken")
        second = runs.retry(first)
        first.refresh_from_db()
        assert (second.seed, second.status, first.status) == (5, Status.QUEUED, Status.FAILED)


class TestLease:
    def test_a_run_is_claimed_once(self) -> None:
        run = new_run()
        claim(run.pk)
        with pytest.raises(LeaseLost):
            claim(run.pk)
        run.refresh_from_db()
        assert (run.status, run.attempts) == (Status.RUNNING, 1)

    def test_reports_are_stored_with_the_curve_of_the_losses(self) -> None:
        run = new_run()
        lease = claim(run.pk)
        lease.report(Progress("graph", 2, 5, fraction=0.2))
        lease.report(Progress("graph", 2, 5, epoch=1, epochs=2, loss=0.5, fraction=0.3, eta_seconds=9))
        lease.report(Progress("graph", 2, 5, epoch=2, epochs=2, loss=0.25, fraction=0.4, eta_seconds=5))
        run.refresh_from_db()
        assert (run.stage, run.stage_index, run.epoch, run.progress, run.eta_seconds) == ("graph", 2, 2, 0.4, 5)
        assert [row["loss"] for row in run.losses] == [0.5, 0.25]

    def test_a_loss_that_is_no_number_is_not_stored(self) -> None:
        run = new_run()
        claim(run.pk).report(Progress("graph", 2, 5, epoch=1, epochs=2, loss=math.nan, fraction=math.inf))
        run.refresh_from_db()
        assert (run.loss, run.losses, run.progress) == (None, [], 0.0)

    @pytest.mark.parametrize(
        "write",
        [
            Lease.heartbeat,
            Lease.release,
            lambda lease: lease.report(Progress("graph", 1, 5)),
            lambda lease: lease.fail("x"),
            lambda lease: lease.cancel("x"),
            lambda lease: lease.publish_or_refuse(True),
        ],
    )
    def test_who_lost_the_lease_can_write_nothing(self, write: Callable[[Lease], Any]) -> None:
        run = new_run()
        lost = claim(run.pk)
        silence(run.pk)
        runs.settle_lapsed()
        claim(run.pk)  # somebody else
        before = TrainingRun.objects.filter(pk=run.pk).values().get()
        with pytest.raises(LeaseLost):
            write(lost)
        assert TrainingRun.objects.filter(pk=run.pk).values().get() == before

    def test_only_the_holder_can_hold_the_row_for_its_publication(self) -> None:
        run = new_run()
        claim(run.pk)
        mine = TrainingRun.objects.get()
        with transaction.atomic():
            hold(mine)
        runs.cancel(mine)
        with pytest.raises(LeaseLost), transaction.atomic():
            hold(mine)

    def test_a_forged_token_is_worth_nothing(self) -> None:
        run = new_run()
        claim(run.pk)
        with pytest.raises(LeaseLost):
            Lease(run.pk, uuid.uuid4()).heartbeat()

    def test_the_ending_is_recorded_and_ends_the_lease(self) -> None:
        run = new_run()
        lease = claim(run.pk)
        lease.publish_or_refuse(False, "worse than popularity")
        run.refresh_from_db()
        assert (run.status, run.error, run.progress) == (Status.REFUSED, "worse than popularity", 1.0)
        assert run.finished_at is not None
        with pytest.raises(LeaseLost):
            lease.heartbeat()

    def test_a_log_that_postgres_cannot_hold_is_stored_readable(self) -> None:
        run = new_run()
        claim(run.pk).fail("bro\0ken", "x" * 30_000 + "\ud800 the end\0")
        run.refresh_from_db()
        assert "\0" not in run.error + run.log
        assert run.log.startswith("x") and "the end" in run.log and len(run.log) == 20_000


class TestSweep:
    def test_a_silent_run_is_queued_again_and_an_answering_one_left_alone(self) -> None:
        run = new_run()
        claim(run.pk)
        silence(run.pk, conf.LEASE_SECONDS - 5)
        assert runs.settle_lapsed() == 0
        silence(run.pk)
        assert runs.settle_lapsed() == 1
        run.refresh_from_db()
        assert (run.status, run.sent_at, run.lease_token) == (Status.QUEUED, None, None)
        assert "stopped answering" in run.error

    def test_after_the_last_attempt_it_has_failed_with_advice(self) -> None:
        run = new_run()
        for _ in range(conf.MAX_ATTEMPTS):
            claim(run.pk)
            silence(run.pk)
            runs.settle_lapsed()
        run.refresh_from_db()
        assert (run.status, run.attempts) == (Status.FAILED, conf.MAX_ATTEMPTS)
        assert "memory" in run.error and "Retry" in run.error

    def test_a_run_that_published_and_then_died_counts_as_published(self) -> None:
        version = write_tiny_version(make_products(3))
        version.published_at = timezone.now()
        version.save()
        TrainingRun.objects.update(status=Status.QUEUED)
        claim(version.run_id)
        silence(version.run_id)
        runs.settle_lapsed()
        version.run.refresh_from_db()
        assert version.run.status == Status.PUBLISHED

    def test_a_message_that_the_broker_lost_is_sent_again(self, empty_queue: None) -> None:
        new_run(sent_at=timezone.now() - timedelta(seconds=conf.LEASE_SECONDS + 1))
        assert runs.deliver_waiting() == 1
        assert messages_waiting() == 1

    def test_a_worker_that_is_stopped_hands_its_run_back(self) -> None:
        run = new_run()
        claim(run.pk).release()
        run.refresh_from_db()
        assert (run.status, run.sent_at) == (Status.QUEUED, None)
        assert claim(run.pk)


class TestCancel:
    def test_a_running_run_is_cancelled_and_its_process_is_fenced_off(self) -> None:
        user = get_user_model().objects.create_user("ana")
        run = new_run()
        lease = claim(run.pk)
        assert runs.cancel(run, user)
        with pytest.raises(LeaseLost):
            lease.heartbeat()
        run.refresh_from_db()
        assert (run.status, run.error) == (Status.CANCELLED, "Cancelled by ana.")
        assert run.finished_at is not None

    def test_an_ended_run_stays_as_it_is(self) -> None:
        run = new_run()
        claim(run.pk).fail("broken")
        assert not runs.cancel(run)
        run.refresh_from_db()
        assert run.status == Status.FAILED
