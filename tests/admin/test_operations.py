"""Comparing, pinning, pruning, options and schedule of trainings, the audit: what the owner of a shop does in admin."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from demo.processes import free_port
from recommender import audit
from recommender.index.publish import publish
from recommender.models import AuditEntry, ModelVersion, QuarantinedEvent, TrainingRun, TrainingSchedule
from tests.admin.conftest import StaffClient
from tests.worlds import make_products, write_tiny_version

VERSIONS = "/admin/recommender/modelversion/"
RUNS = "/admin/recommender/trainingrun/"
START = "2026-11-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")


def segment(ours: float, error: float = 0.01) -> dict[str, Any]:
    return {
        "visitors": 90,
        "ndcg@10": {"ours": ours, "popularity": 0.05},
        "recall@20": {"ours": ours, "popularity": 0.05},
        "error": error,
    }


def judged(version: ModelVersion, ours: float, tail: float, start: str = START) -> ModelVersion:
    version.verdict = {
        "passed": True,
        "reasons": [],
        "metrics": {"ours": {"ndcg@10": ours}, "popularity": {"ndcg@10": 0.05}},
        "holdout": {"visitors": 90, "start": start},
        "segments": {"heavy_visitors": segment(ours), "tail_items": segment(tail)},
    }
    version.save()
    return version


@pytest.fixture
def versions(db: None) -> tuple[ModelVersion, ModelVersion]:
    """Two judged versions; the first is live."""
    products = make_products(4)
    old, new = (write_tiny_version(products) for _ in range(2))
    return publish(judged(old, 0.20, 0.10)), judged(new, 0.21, 0.20)


class TestCompare:
    def test_it_sets_the_live_one_beside_the_newest_by_segment(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
    ) -> None:
        shown = admin_client.get(f"{VERSIONS}compare/").content.decode()
        assert "the same moment" in shown
        assert "Heavy visitors" in shown and "All other products (tail)" in shown
        assert "+0.1000 ± 0.0141 ▲" in shown  # of the tail: clear
        assert "+0.0100 ± 0.0141" in shown and shown.count("▲") == 1  # of heavy visitors: may be chance
        assert "0.0500 What is popular" in shown

    def test_other_days_are_said_to_compare_only_roughly(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
    ) -> None:
        other = judged(write_tiny_version(make_products(2)), 0.3, 0.3, start="2026-11-09T00:00:00+00:00")
        url = f"{VERSIONS}compare/?a={versions[0].pk}&b={other.pk}"
        assert "only roughly" in admin_client.get(url).content.decode()

    def test_its_choices_are_numbers_where_digits_are_grouped(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion], settings: Any
    ) -> None:
        run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger="command")
        third = versions[1]
        third.pk, third.run = 12_345, run
        third.save(force_insert=True)
        settings.USE_THOUSAND_SEPARATOR = True
        assert '<option value="12345"' in admin_client.get(f"{VERSIONS}compare/").content.decode()

    @pytest.mark.parametrize("query", ["", "?a=1&b=x", "?a=999999999999999999999"])
    def test_without_versions_or_with_wrong_numbers_it_stays_a_page(self, admin_client: Client, query: str) -> None:
        assert admin_client.get(f"{VERSIONS}compare/{query}").status_code == 200

    def test_versions_of_older_code_have_no_segments_and_are_shown(self, admin_client: Client) -> None:
        products = make_products(2)
        write_tiny_version(products), write_tiny_version(products)
        assert admin_client.get(f"{VERSIONS}compare/").status_code == 200

    def test_only_for_those_who_may_look(self, staff_client: StaffClient, db: None) -> None:
        assert staff_client("view_event").get(f"{VERSIONS}compare/").status_code == 403


class TestPinAndPrune:
    def test_a_pinned_version_survives_the_pruning_and_both_are_in_the_audit(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion], settings: Any
    ) -> None:
        settings.RECOMMENDER_VERSIONS_KEPT = 0
        spare = write_tiny_version(make_products(2))
        pinned = versions[1]
        admin_client.post(f"{VERSIONS}{pinned.pk}/pin/")
        assert str(spare) in (asked := admin_client.get(f"{VERSIONS}prune/").content.decode())
        assert "Yes, remove them" in asked
        admin_client.post(f"{VERSIONS}prune/")
        assert list(ModelVersion.objects.filter(has_vectors=False)) == [spare]
        acts = AuditEntry.objects.exclude(act="publish").order_by("pk").values_list("act", "by", "version_id")
        assert list(acts) == [("pin", "admin", pinned.pk), ("prune", "admin", spare.pk)]
        page = admin_client.get(f"{VERSIONS}{pinned.pk}/change/").content.decode()
        assert "Unpin" in page and "Who did what" in page
        admin_client.post(f"{VERSIONS}{pinned.pk}/pin/", {"pinned": "0"})
        assert not ModelVersion.objects.get(pk=pinned.pk).is_pinned

    def test_looking_is_not_acting(
        self, staff_client: StaffClient, versions: tuple[ModelVersion, ModelVersion]
    ) -> None:
        client = staff_client("view_modelversion")
        assert client.post(f"{VERSIONS}{versions[0].pk}/pin/").status_code == 403
        assert client.post(f"{VERSIONS}prune/").status_code == 403
        assert client.get(f"{VERSIONS}{versions[0].pk}/pin/").status_code == 405


class TestRetrainOptions:
    def test_they_are_stored_with_the_run_and_told_in_the_audit(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
    ) -> None:
        chosen = {"effort": "0.5", "is_cold": "on", "seed": "7", "judge_like": versions[0].pk}
        response = admin_client.post(f"{RUNS}retrain/", chosen, follow=True)
        run = TrainingRun.objects.get(status="queued")
        assert (run.effort, run.is_cold, run.seed) == (0.5, True, 7)
        assert run.judged_from is not None and run.judged_from.isoformat() == START
        assert "effort 0.5" in AuditEntry.objects.get(run=run).new
        assert "training requested" in response.content.decode()

    @pytest.mark.parametrize(
        ("posted", "stored"),
        [
            ({}, None),  # the button without options
            ({"options_shown": "True"}, []),
            ({"options_shown": "True", "augmentations": ["edges"]}, None),
            ({"options_shown": "True", "augmentations": ["crop", "edges"]}, ["crop", "edges"]),
        ],
    )
    def test_only_what_is_ticked_is_augmented_unless_nothing_was_asked(
        self, admin_client: Client, posted: dict[str, Any], stored: list[str] | None
    ) -> None:
        admin_client.post(f"{RUNS}retrain/", posted)
        run = TrainingRun.objects.get()
        assert run.augmentations == stored
        assert ("augmentations" in AuditEntry.objects.get(run=run).new) == (stored is not None)

    def test_the_form_has_ticked_what_is_set(self, admin_client: Client, settings: Any) -> None:
        settings.RECOMMENDER_AUGMENTATIONS = ["mask"]
        page = admin_client.get(RUNS).content.decode()
        ticked = re.findall(r'name="augmentations" value="(\w+)"[^>]* checked', page)
        assert ticked == ["mask"]

    def test_run_version_and_comparison_say_what_was_augmented(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion]
    ) -> None:
        first, second = versions
        for version, names in ((first, ["mask", "edges"]), (second, [])):
            TrainingRun.objects.filter(pk=version.run_id).update(counts={"augmentations": names})
        told = "Hidden products (mask), Dropped edges of the graph"
        for page in (f"{VERSIONS}{first.pk}/change/", f"{RUNS}{first.run_id}/change/"):
            assert f"<dt>Augmentation</dt><dd>{told}</dd>" in admin_client.get(page).content.decode()
        assert (
            "<dt>Augmentation</dt><dd>none</dd>" in admin_client.get(f"{VERSIONS}{second.pk}/change/").content.decode()
        )
        compared = admin_client.get(f"{VERSIONS}compare/?a={first.pk}&b={second.pk}").content.decode()
        assert told in compared

    @pytest.mark.parametrize(
        "wrong",
        [{"effort": "-1"}, {"effort": "nan"}, {"seed": "x"}, {"judge_like": "999"}, {"augmentations": "luck"}],
    )
    def test_wrong_ones_are_explained_and_start_nothing(
        self, admin_client: Client, versions: tuple[ModelVersion, ModelVersion], wrong: dict[str, str]
    ) -> None:
        response = admin_client.post(f"{RUNS}retrain/", wrong, follow=True)
        assert 'class="error"' in response.content.decode()
        assert not TrainingRun.objects.filter(status="queued").exists()

    def test_a_retry_keeps_them_and_learns_from_the_same_events(
        self, admin_client: Client, new_run: Callable[..., TrainingRun]
    ) -> None:
        failed = new_run(seed=3, effort=0.25, started_at="2026-11-20T10:00:00+00:00")
        admin_client.post(f"{RUNS}{failed.pk}/retry/")
        again = TrainingRun.objects.get(status="queued")
        failed.refresh_from_db()
        assert (again.seed, again.effort, again.events_until) == (3, 0.25, failed.started_at)
        assert AuditEntry.objects.get(run=again).act == "retry"


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_on_retrain_make_one_run() -> None:
    owner = get_user_model().objects.create_superuser("owner")
    client = Client()
    client.force_login(owner)
    barrier, answers = threading.Barrier(20), []

    def click() -> None:
        mine = Client()
        mine.cookies = client.cookies
        barrier.wait(30)
        answers.append(mine.post(f"{RUNS}retrain/").status_code)
        connection.close()

    threads = [threading.Thread(target=click) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [302] * 20
    assert TrainingRun.objects.count() == 1 == AuditEntry.objects.filter(act="request").count()


class TestSchedule:
    def test_it_is_changed_in_admin_and_the_audit_tells_by_whom(self, admin_client: Client) -> None:
        url = f"{RUNS}schedule/"
        assert "every 24 h" in admin_client.get(RUNS).content.decode()
        admin_client.post(url, {"is_on": "on", "every_hours": "168", "hour": "3"})
        assert str(TrainingSchedule.objects.get()) == "every 168 h, at 3:00"
        admin_client.post(url, {"every_hours": "168", "hour": ""})
        assert "No training comes by itself" in admin_client.get(url).content.decode()
        entry = AuditEntry.objects.first()
        assert entry is not None and (entry.by, entry.old, entry.new) == ("admin", "every 168 h, at 3:00", "off")
        assert "the schedule" in admin_client.get("/admin/recommender/auditentry/").content.decode()

    def test_hours_that_do_not_fit_are_explained(self, admin_client: Client) -> None:
        shown = admin_client.post(f"{RUNS}schedule/", {"is_on": "on", "every_hours": "5", "hour": "3"})
        assert "write whole days" in shown.content.decode()
        assert not TrainingSchedule.objects.exists()

    def test_the_right_to_look_is_not_the_right_to_change(self, staff_client: StaffClient) -> None:
        client = staff_client("view_trainingrun")
        assert client.get(f"{RUNS}schedule/").status_code == 200
        assert client.post(f"{RUNS}schedule/", {"every_hours": "1"}).status_code == 403
        assert not TrainingSchedule.objects.exists()


def test_the_audit_is_read_only(admin_client: Client, versions: tuple[ModelVersion, ModelVersion]) -> None:
    entry = AuditEntry.objects.get()
    base = "/admin/recommender/auditentry/"
    assert admin_client.get(f"{base}add/").status_code == 403
    assert admin_client.post(f"{base}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(f"{base}{entry.pk}/change/", {"by": "nobody"})
    assert AuditEntry.objects.get() == entry and str(versions[0]) in admin_client.get(base).content.decode()


def test_who_else_it_was_is_said_in_the_language_of_the_reader(admin_client: Client) -> None:
    audit.record(AuditEntry.Act.REQUEST, audit.COMMAND_LINE)
    audit.record(AuditEntry.Act.REQUEST, "Ann")
    admin_client.cookies["django_language"] = "zh-hans"
    page = admin_client.get("/admin/recommender/auditentry/").content.decode()
    assert "命令行" in page and "command line" not in page and "Ann" in page


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            [
                "admin: from scratch, effort 0.5, augmentations crop",
                "admin: every 24 h → every 168 h, at 3:00",
                "Run 8: Version {second} → Version {first}",
                "admin: Version {first} → Version {second}",
                "Ann: every 6 h → off",
            ],
        ),
        (
            "zh-hans",
            [
                "admin: 从头训练, 训练力度 0.5, 数据增强 crop",
                "admin: 每 24 小时 → 每 168 小时，3:00",
                "训练任务 8: 版本 {second} → 版本 {first}",
                "admin: 版本 {first} → 版本 {second}",
                "Ann: every 6 h → off",
            ],
        ),
    ],
)
def test_what_was_done_is_said_in_the_language_of_the_reader(
    admin_client: Client, versions: tuple[ModelVersion, ModelVersion], language: str, told: list[str]
) -> None:
    AuditEntry.objects.create(act="schedule", by="Ann", old="every 6 h", new="off")  # as older code did
    first, second = versions
    admin_client.cookies["django_language"] = "zh-hans"
    admin_client.post(f"{VERSIONS}{second.pk}/publish/")
    publish(first, [("Run %(id)s", {"id": 8})])
    admin_client.post(f"{RUNS}schedule/", {"is_on": "on", "every_hours": "168", "hour": "3"})
    admin_client.post(
        f"{RUNS}retrain/", {"effort": "0.5", "is_cold": "on", "options_shown": "True", "augmentations": "crop"}
    )
    admin_client.cookies["django_language"] = language
    page = admin_client.get("/admin/recommender/auditentry/").content.decode()
    who, change = (re.findall(f'"field-{name}">(.*?)</td>', page) for name in ("who", "change"))
    assert [": ".join(row) for row in zip(who, change, strict=True)][:-1] == [
        each.format(first=first.pk, second=second.pk) for each in told
    ]


@pytest.mark.parametrize(("path", "words"), [("auditentry", "2 audit entries"), ("quarantinedevent", "2 events in")])
def test_a_list_counts_what_is_in_it(admin_client: Client, path: str, words: str) -> None:
    for _each in range(2):
        AuditEntry.objects.create(act="schedule", by="Ann", old="every 6 h", new="off")
        QuarantinedEvent.objects.create(code="bad", source=1, payload="{}")
    assert words in admin_client.get(f"/admin/recommender/{path}/").content.decode()
