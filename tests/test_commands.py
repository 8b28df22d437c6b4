"""The command line: train without broker and worker, publish, roll back, make a key; exit statuses for scripts."""

import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recommender import runs
from recommender.api_keys import verify_key
from recommender.index.publish import publish
from recommender.leases import Lease, claim
from recommender.models import ApiKey, Event, ModelVersion, TrainingRun, Visitor
from tests.plugin import ROOT
from tests.test_training_process import quick_environment, wait_for
from tests.training_worlds import make_trainable_shop
from tests.worlds import make_event, make_products, write_tiny_version

Status = TrainingRun.Status


def output_of(command: str, *arguments: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def heed_ctrl_c() -> None:
    """In a child of a shell's background job, too, which is told to ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestTrain:
    @pytest.mark.django_db(transaction=True)
    def test_too_few_events_end_with_status_3_and_advice(self) -> None:
        with pytest.raises(CommandError, match="Record more events") as ended:
            call_command("recommender_train", seed=4)
        assert ended.value.returncode == 3
        run = TrainingRun.objects.get()
        assert (run.status, run.seed, run.trigger) == (Status.REFUSED, 4, "command")

    @pytest.mark.django_db
    def test_a_refused_version_ends_with_status_3_and_the_next_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        version = write_tiny_version(make_products(3))

        def refuse(lease: Lease, *_others: object) -> None:
            ModelVersion.objects.update(run=lease.run_id)
            lease.publish_or_refuse(False, "NDCG@10 0.01 is below popularity")

        monkeypatch.setattr("recommender.management.commands.recommender_train.carry_out", refuse)
        with pytest.raises(CommandError, match="below popularity\n") as ended:
            call_command("recommender_train")
        assert ended.value.returncode == 3
        assert f"or manage.py recommender_publish {version.pk}." in str(ended.value)

    @pytest.mark.django_db
    def test_a_version_that_nobody_judged_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        version = write_tiny_version(make_products(3))
        ModelVersion.objects.update(verdict={**version.verdict, "holdout": {"visitors": 1}})

        def publish_it(lease: Lease, *_others: object) -> None:
            ModelVersion.objects.update(run=lease.run_id)
            lease.publish_or_refuse(True)

        monkeypatch.setattr("recommender.management.commands.recommender_train.carry_out", publish_it)
        assert "Not judged: visitors asked 1, needed 20" in output_of("recommender_train")

    @pytest.mark.django_db(transaction=True)
    def test_what_was_left_out_is_told_and_written_down(self) -> None:
        visitor, products = Visitor.objects.create(), make_products(3)
        kept = make_event(visitor, products[0])
        for doubt in [Event.Doubt.CRAWLER] * 2 + [Event.Doubt.NO_TOKEN]:
            Event.objects.create(visitor=visitor, item=products[0], kind=2, at=kept.at, source=1, doubt=doubt)
        out = io.StringIO()
        with pytest.raises(CommandError, match="1 events and 3 items"):
            call_command("recommender_train", stdout=out)
        assert "Left out 3 events: crawler 2, no_token 1." in out.getvalue()
        counts = TrainingRun.objects.get().counts
        assert (counts["events"], counts["left_out"]) == (1, {"crawler": 2, "no_token": 1})

    @pytest.mark.django_db(transaction=True)
    def test_a_queued_run_can_be_trained_here(self) -> None:
        run = runs.request_run(TrainingRun.Trigger.ADMIN, to_broker=False)
        with pytest.raises(CommandError, match=f"--run {run.pk}"):
            call_command("recommender_train")
        with pytest.raises(CommandError, match="Record more events"):
            call_command("recommender_train", run=run.pk)
        with pytest.raises(CommandError, match="is not queued"):
            call_command("recommender_train", run=run.pk)

    @pytest.mark.django_db
    def test_while_one_runs_elsewhere_it_is_refused_with_status_1(self) -> None:
        claim(TrainingRun.objects.create(trigger="admin").pk)
        with pytest.raises(CommandError, match="queued or running") as ended:
            call_command("recommender_train")
        assert ended.value.returncode == 1

    @pytest.mark.slow
    @pytest.mark.django_db(transaction=True)
    def test_it_trains_and_tells_without_broker_or_worker(self, broker_url: str) -> None:
        make_trainable_shop()
        done = subprocess.run(
            [sys.executable, "manage.py", "recommender_train"],
            cwd=ROOT,
            env=quick_environment(broker_url) | {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
            capture_output=True,
            text=True,
            timeout=200,
        )
        run = TrainingRun.objects.get()
        assert (done.returncode, run.status) == (0, Status.PUBLISHED), done.stderr
        assert "graph" in done.stdout and f"{run.version} is live" in done.stdout and "item_knn" in done.stdout

    @pytest.mark.django_db(transaction=True)
    def test_ctrl_c_cancels_the_run(self, broker_url: str, tmp_path: Path) -> None:
        make_trainable_shop()
        with (tmp_path / "out").open("w+") as out:
            argv = [sys.executable, "manage.py", "recommender_train"]
            command = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=quick_environment(broker_url),
                stdout=out,
                stderr=out,
                preexec_fn=heed_ctrl_c,
            )
            try:
                wait_for(lambda: TrainingRun.objects.filter(stage__gt="").exists())
                command.send_signal(signal.SIGINT)
                assert command.wait(30) == 130
            finally:
                command.kill()
            out.seek(0)
            assert "cancelled" in out.read()
        assert TrainingRun.objects.get().status == Status.CANCELLED


@pytest.mark.django_db
class TestPublish:
    def test_versions_are_published_rolled_back_and_listed(self) -> None:
        products = make_products(3)
        old, new = publish(write_tiny_version(products)), publish(write_tiny_version(products))
        assert f"{old} is live" in output_of("recommender_publish", "--roll-back")
        assert f"{new} is live" in output_of("recommender_publish", new.pk)
        assert list(ModelVersion.objects.filter(is_live=True)) == [new]
        lines = output_of("recommender_publish").splitlines()
        assert lines[0].split()[0] == str(new.pk) and lines[0].endswith("live")
        assert lines[1].split()[0] == str(old.pk)

    @pytest.mark.parametrize(
        ("arguments", "message"), [([99], "no version 99"), (["--roll-back"], "retrain, or publish one")]
    )
    def test_what_cannot_be_published_says_why(self, arguments: list[Any], message: str) -> None:
        with pytest.raises(CommandError, match=message):
            call_command("recommender_publish", *arguments)

    def test_without_versions_it_says_how_to_make_one(self) -> None:
        assert "recommender_train" in output_of("recommender_publish")


@pytest.mark.django_db
def test_the_key_stands_alone_on_standard_output() -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("recommender_api_key", "newsletter", stdout=out, stderr=err)
    key = verify_key(out.getvalue().strip())
    assert key is not None and (key.name, key.scopes) == ("newsletter", ["lists"])
    assert "shown only now" in err.getvalue()


@pytest.mark.django_db
def test_a_key_is_made_with_the_scopes_that_are_named() -> None:
    output_of("recommender_api_key", "till", "--scope", "export", "--scope", "events")
    assert ApiKey.objects.get().scopes == ["events", "export"]
    with pytest.raises(CommandError, match="invalid choice"):
        output_of("recommender_api_key", "till", "--scope", "everything")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["recommender_api_key", "x" * 101], "at most 100 characters"),
        (["recommender_api_key", " "], "cannot be blank"),
        (["recommender_train", "--seed", "-4"], "from 0 to 2147483647"),
        (["recommender_train", "--seed", "2147483648"], "from 0 to 2147483647"),
        (["recommender_quality", "--days", "99999999"], "from 1 to 36500"),
        (["recommender_ledger", "--days", "-5"], "from 0 to 36500"),
        (["recommender_hold_back", "held.csv", "--days", "0"], "from 1 to 36500"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_in_words(arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        call_command(*arguments)
