"""Retrain now, progress, cancel, retry: what the owner of a shop sees and may do."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from demo.processes import free_port
from recommender.encoders.progress import Progress
from recommender.index.publish import publish
from recommender.leases import claim
from recommender.models import TrainingRun
from recommender.training_failures import after_refusal
from tests.admin.conftest import StaffClient
from tests.worlds import make_products, write_tiny_version

LIST = "/admin/recommender/trainingrun/"
RETRAIN = f"{LIST}retrain/"
NewRun = Callable[..., TrainingRun]
Status = TrainingRun.Status


def page(run: TrainingRun, rest: str = "change/") -> str:
    return f"{LIST}{run.pk}/{rest}"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: every page must work all the same, and quickly."""
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")


class TestRetrain:
    def test_it_queues_a_run_in_the_name_of_who_pressed(self, admin_client: Client) -> None:
        response = admin_client.post(RETRAIN, follow=True)
        run = TrainingRun.objects.get()
        assert (run.status, run.trigger, str(run.started_by)) == (Status.QUEUED, "admin", "admin")
        assert response.redirect_chain[-1][0] == page(run)
        assert "is requested" in response.content.decode()
        assert LogEntry.objects.get().object_id == str(run.pk)

    def test_while_one_runs_it_is_refused_with_a_message(self, admin_client: Client, new_run: NewRun) -> None:
        active = new_run(status=Status.QUEUED)
        claim(active.pk)
        response = admin_client.post(RETRAIN, follow=True)
        assert TrainingRun.objects.count() == 1
        assert response.redirect_chain[-1][0] == page(active)
        assert "already queued or running" in response.content.decode()

    def test_a_run_whose_worker_died_does_not_stand_in_the_way(
        self, admin_client: Client, new_run: NewRun, settings: pytest.FixtureRequest
    ) -> None:
        settings.RECOMMENDER_MAX_ATTEMPTS = 1
        dead = new_run(status=Status.QUEUED)
        claim(dead.pk)
        TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
        admin_client.post(RETRAIN)
        dead.refresh_from_db()
        assert dead.status == Status.FAILED
        assert TrainingRun.objects.filter(status=Status.QUEUED).count() == 1

    def test_only_by_post(self, admin_client: Client) -> None:
        assert admin_client.get(RETRAIN).status_code == 405

    def test_a_forged_post_is_refused(self, admin_user: object) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)
        assert client.post(RETRAIN).status_code == 403

    def test_the_right_to_look_is_not_the_right_to_retrain(self, staff_client: StaffClient, new_run: NewRun) -> None:
        client, run = staff_client("view_trainingrun"), new_run()
        assert client.post(RETRAIN).status_code == 403
        assert client.post(page(run, "retry/")).status_code == 403
        assert client.post(page(run, "cancel/")).status_code == 403
        assert "Retrain now" not in client.get(LIST).content.decode()
        assert TrainingRun.objects.count() == 1

    def test_the_right_to_retrain_is_enough(self, staff_client: StaffClient) -> None:
        client = staff_client("retrain")
        assert "Retrain now" in client.get("/admin/recommender/").content.decode()
        assert client.post(RETRAIN, follow=True).status_code == 200
        assert TrainingRun.objects.count() == 1

    def test_a_visitor_of_the_shop_gets_nowhere(self, client: Client, new_run: NewRun) -> None:
        run = new_run(status=Status.QUEUED)
        for url in (LIST, page(run), page(run, "progress/")):
            assert client.get(url).status_code == 302
        assert client.post(page(run, "cancel/")).status_code == 302
        run.refresh_from_db()
        assert run.status == Status.QUEUED


def test_a_run_tells_what_it_left_out(admin_client: Client, new_run: NewRun) -> None:
    run = new_run(counts={"events": 5, "left_out": {"crawler": 1234, "inhuman": 61}, "capped": 2})
    shown = admin_client.get(page(run)).content.decode()
    assert "crawler: 1,234; browsing faster than a person: 61" in shown
    assert "Events whose pieces were cut to what is plausible</dt><dd>2<" in shown


class TestProgress:
    def test_a_running_training_is_shown_with_stage_time_and_curve(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(status=Status.QUEUED)
        lease = claim(run.pk)
        for epoch, loss in ((1, 0.75), (2, 0.5)):
            lease.report(Progress("graph", 3, 7, epoch, 4, loss, fraction=0.42, eta_seconds=90))
        state = admin_client.get(page(run, "progress/")).json()
        assert state["is_active"] is True
        assert 'value="42"' in state["panel"] and "Step 3 of 7" in state["panel"]
        assert "Learning which products go together" in state["panel"]
        assert "2 / 4" in state["panel"] and "1 min 30 s" in state["panel"] and "<polyline" in state["panel"]
        assert 'value="42"' in state["cell"]

    @pytest.mark.parametrize(("attempts", "left"), [(1, "3 min"), (2, "20 s")])
    def test_the_time_left_grows_while_a_step_tells_nothing(
        self, admin_client: Client, new_run: NewRun, attempts: int, left: str
    ) -> None:
        run = new_run(status=Status.QUEUED)
        claim(run.pk).report(Progress("fusion", 5, 10, 0, 1, None, fraction=0.5, eta_seconds=20))
        begun = timezone.now() - timedelta(minutes=3, milliseconds=200)
        TrainingRun.objects.filter(pk=run.pk).update(started_at=begun, attempts=attempts)
        panel = admin_client.get(page(run, "progress/")).json()["panel"]
        assert re.search(f"Time left, about</dt><dd>{left}", panel)

    def test_the_page_polls_and_reloads_by_itself_without_javascript(
        self, admin_client: Client, new_run: NewRun
    ) -> None:
        run = new_run(status=Status.QUEUED)
        for url in (LIST, page(run), "/admin/recommender/"):
            assert f'data-recommender-progress="{page(run, "progress/")}"' in admin_client.get(url).content.decode()
        for url in (LIST, page(run)):
            assert '<noscript><meta http-equiv="refresh"' in admin_client.get(url).content.decode()

    def test_an_ended_training_is_not_polled(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(error="The disk is full.")
        assert admin_client.get(page(run, "progress/")).json()["is_active"] is False
        shown = admin_client.get(page(run)).content.decode()
        assert "data-recommender-progress" not in shown and "http-equiv" not in shown
        assert "The disk is full." in shown and "Retry" in shown

    @pytest.mark.parametrize(
        ("values", "advice"),
        [
            ({"created_at": timedelta(minutes=1)}, "broker cannot be reached"),
            (
                {"created_at": timedelta(minutes=1), "sent_at": timedelta(minutes=0.5)},
                "No training worker has taken it",
            ),
        ],
    )
    def test_a_run_that_waits_says_what_to_do(
        self, admin_client: Client, new_run: NewRun, values: dict[str, timedelta], advice: str
    ) -> None:
        run = new_run(status=Status.QUEUED, **{name: timezone.now() - age for name, age in values.items()})
        assert advice in admin_client.get(page(run, "progress/")).json()["panel"]

    def test_a_silent_worker_is_told_of(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(status=Status.QUEUED)
        claim(run.pk)
        TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=30))
        assert "The worker has been silent for 30 s" in admin_client.get(page(run, "progress/")).json()["panel"]

    def test_no_script_and_no_style_stand_in_the_pages(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(losses=[{"stage": "graph", "epoch": 1, "loss": 0.5}])
        shown = admin_client.get(page(run)).content.decode()
        body = shown[shown.index('<div id="content-main"') :]
        assert "<polyline" in body and "style=" not in body and "onclick" not in body
        assert "<script>" not in shown


class TestOutcome:
    def test_a_published_run_links_its_version_and_shows_the_comparison(self, admin_client: Client) -> None:
        version = write_tiny_version(make_products(3))
        version.verdict["metrics"] = {"ours": {"ndcg@10": 0.25}, "popularity": {"ndcg@10": 0.05}}
        version.verdict["holdout"] = {"visitors": 1234, "start": "2026-11-01T00:00:00+00:00"}
        version.save()
        shown = admin_client.get(page(version.run)).content.decode()
        assert reverse("admin:recommender_modelversion_change", args=[version.pk]) in shown
        assert "0.2500" in shown and "What is popular" in shown
        assert "1,234 visitors" in shown and "Nov. 1, 2026" in shown

    def test_a_refused_run_says_why(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(status=Status.REFUSED, error="Too few events to train on.")
        assert "Too few events to train on." in admin_client.get(page(run)).content.decode()

    def test_a_refused_version_can_be_published_all_the_same(self, admin_client: Client) -> None:
        version = write_tiny_version(make_products(3))
        TrainingRun.objects.update(status=Status.REFUSED, error="NDCG@10 0.01 is below popularity")
        assert after_refusal(version.pk) in admin_client.get(page(version.run)).content.decode()
        publish(version)
        assert after_refusal(version.pk) not in admin_client.get(page(version.run)).content.decode()

    def test_a_log_is_shown_as_text(self, admin_client: Client, new_run: NewRun) -> None:
        shown = admin_client.get(page(new_run(log="<b>Traceback</b>"))).content.decode()
        assert "&lt;b&gt;Traceback" in shown

    def test_an_unknown_run_leads_back_with_a_message(self, admin_client: Client) -> None:
        assert admin_client.get(f"{LIST}99/change/").status_code == 302
        assert admin_client.get(f"{LIST}99/progress/").status_code == 404


class TestCancelAndRetry:
    def test_cancel_frees_the_way(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run(status=Status.QUEUED)
        assert "is cancelled" in admin_client.post(page(run, "cancel/"), follow=True).content.decode()
        run.refresh_from_db()
        assert (run.status, run.error) == (Status.CANCELLED, "Cancelled by admin.")

    def test_cancelling_what_has_ended_changes_nothing(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run()
        assert "has ended already" in admin_client.post(page(run, "cancel/"), follow=True).content.decode()
        run.refresh_from_db()
        assert run.status == Status.FAILED

    def test_retry_makes_a_new_run_with_the_same_seed(self, admin_client: Client, new_run: NewRun) -> None:
        failed = new_run(seed=11)
        admin_client.post(page(failed, "retry/"))
        fresh = TrainingRun.objects.get(status=Status.QUEUED)
        assert fresh.pk != failed.pk and fresh.seed == 11

    def test_runs_cannot_be_added_changed_or_deleted(self, admin_client: Client, new_run: NewRun) -> None:
        run = new_run()
        assert admin_client.get(f"{LIST}add/").status_code == 403
        admin_client.post(page(run), {"status": "published"})
        assert admin_client.post(page(run, "delete/"), {"post": "yes"}).status_code == 403
        run.refresh_from_db()
        assert run.status == Status.FAILED
