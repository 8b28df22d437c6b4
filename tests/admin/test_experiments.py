"""Draft, start, let more in, read, stop; what the verdict says; who may."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.admin.intervals import interval_chart
from recommender.admin.verdicts import verdict
from recommender.capture.tables import CLICK
from recommender.experiments.lift import Lift
from recommender.models import HOLDOUT_ARM, Arm, AuditEntry, Event, Experiment, Impression, Visitor
from recommender.uplift.attribution import Outcomes
from recommender.uplift.report import Reading, compare
from tests.admin.conftest import StaffClient
from tests.experiment_worlds import run_experiment
from tests.uplift.test_report import ARMS, people
from tests.worlds import make_products

LIST = "/admin/recommender/experiment/"
FORM = {
    "name": "Ours against popular",
    "share": "0.5",
    "min_days": "14",
    "wanted_lift": "0.05",
    "arms-TOTAL_FORMS": "2",
    "arms-INITIAL_FORMS": "0",
    "arms-0-name": "Popular",
    "arms-0-strategy": "popular",
    "arms-0-weight": "1",
    "arms-0-is_control": "on",
    "arms-1-name": "Ours",
    "arms-1-strategy": "live",
    "arms-1-weight": "1",
}


def page(experiment: Experiment, rest: str = "change/") -> str:
    return f"{LIST}{experiment.pk}/{rest}"


def text(client: Client, experiment: Experiment) -> str:
    return client.get(page(experiment)).content.decode()


def reading(found: Outcomes, days: float = 14) -> Reading:
    return compare(ARMS, found, days, 14, 0.05)


def test_an_owner_drafts_starts_ramps_and_stops(admin_client: Client) -> None:
    assert admin_client.post(f"{LIST}add/", FORM).status_code == 302
    experiment = Experiment.objects.get()
    assert [arm.strategy for arm in experiment.arms.all()] == ["popular", "live"]
    assert "Save the draft first" in text(admin_client, experiment)
    admin_client.post(page(experiment, "start/"))
    experiment.refresh_from_db()
    assert (experiment.status, experiment.started_by.username) == ("running", "admin")
    admin_client.post(page(experiment, "ramp/"), {"percent": "80"})
    experiment.refresh_from_db()
    assert experiment.share == 0.8
    shown = admin_client.post(page(experiment, "ramp/"), {"percent": "10"}, follow=True).content.decode()
    assert "can only grow" in shown
    admin_client.post(page(experiment, "stop/"))
    experiment.refresh_from_db()
    assert experiment.status == "stopped"
    assert "Popular" in text(admin_client, experiment)


def test_each_act_on_an_experiment_is_audited(admin_client: Client) -> None:
    admin_client.post(f"{LIST}add/", FORM)
    experiment = Experiment.objects.get()
    arms = experiment.arms.order_by("pk")
    changed = {**FORM, "arms-INITIAL_FORMS": "2", "arms-1-weight": "3"}
    changed |= {f"arms-{place}-id": str(arm.pk) for place, arm in enumerate(arms)}
    changed |= {f"arms-{place}-experiment": str(experiment.pk) for place in (0, 1)}
    admin_client.post(page(experiment), changed)
    admin_client.post(page(experiment), changed)  # nothing new
    admin_client.post(page(experiment, "start/"))
    admin_client.post(page(experiment, "ramp/"), {"percent": "80"})
    admin_client.post(page(experiment, "ramp/"), {"percent": "10"})  # refused
    admin_client.post(page(experiment, "stop/"))
    entries = AuditEntry.objects.filter(experiment=experiment).order_by("pk")
    assert [(entry.act, entry.old, entry.new) for entry in entries] == [
        ("arms", "", "Popular 1, Ours 1"),
        ("arms", "Popular 1, Ours 1", "Popular 1, Ours 3"),
        ("start", "", "50 %; Popular 1, Ours 3"),
        ("ramp", "50 %", "80 %"),
        ("stop", "", ""),
    ]
    assert {entry.by for entry in entries} == {"admin"}
    assert "more visitors let in" in text(admin_client, experiment)
    listed = admin_client.get("/admin/recommender/auditentry/").content.decode()
    assert page(experiment) in listed


def test_a_refusal_is_shown(admin_client: Client) -> None:
    experiment = Experiment.objects.create(name="Empty")
    assert "two arms at least" in admin_client.post(page(experiment, "start/"), follow=True).content.decode()


def test_a_running_experiment_has_no_form(admin_client: Client) -> None:
    arms = run_experiment("popular", "live")
    shown = text(admin_client, arms[0].experiment)
    assert 'name="arms-0-weight"' not in shown
    assert "Nobody has seen a list of every arm yet." in shown


def test_numbers_and_pictures_of_a_running_experiment(admin_client: Client) -> None:
    arms = run_experiment("popular", "live", started_at=timezone.now() - timedelta(days=20))
    products = make_products(4)
    for place, arm in enumerate(arms):
        for number in range(120):
            visitor = Visitor.objects.create()
            Impression.objects.create(
                list_id=uuid7(),
                visitor=visitor,
                placement="for_you",
                rung="personal",
                arm_id=arm.pk,
                items=[str(product.pk) for product in products],
                slots=[1, 2, 3, 4],
            )
            if number % 6 < 1 + 4 * place:
                Event.objects.create(visitor=visitor, item=products[0], kind=CLICK, at=timezone.now(), source=1)
    shown = text(admin_client, arms[0].experiment)
    assert "recommender-interval--better" in shown
    assert "however often somebody looks" in shown
    assert "20.83 %" in shown  # 100 clicks on 480 slots


@pytest.mark.parametrize(
    ("found", "days", "badge", "words"),
    [
        (people(1, 0.4), 14, "better", "surely between"),
        (people(1, -0.4), 14, "worse", "surely between"),
        (people(1, 0.02), 14, "open", "would show in"),
        (people(1, 0.4), 3, "too early", "about 11 more days"),
        (people(1, 0.4, visitors=(60, 60)), 20, "too early", "Not enough visitors yet: about 14 more days"),
        (people(1, 0.4, visitors=(3_000, 3_400)), 14, "withheld", "split is broken"),
        (people(1, 0.0, clicks=np.zeros(6_000)), 14, "too early", "Nobody has clicked"),
    ],
)
def test_the_verdict_in_plain_words(found: Outcomes, days: float, badge: str, words: str) -> None:
    result = reading(found, days)
    said = verdict(result, result.arms[1], 0.05)
    assert said.badge == badge
    assert words in said.text


def test_a_broken_split_withholds_every_number_of_the_lift(admin_client: Client) -> None:
    experiment = run_experiment("popular", "live", status="stopped")[0].experiment
    experiment.result = reading(people(1, 0.4, visitors=(3_000, 3_400))).as_json()
    experiment.save()
    shown = text(admin_client, experiment)
    assert "split broken" in shown
    assert "recommender-interval" not in shown


def test_the_holdout_has_a_page(admin_client: Client, settings: Any) -> None:
    settings.RECOMMENDER_HOLDOUT_VISITORS_SHARE = 0.02
    assert "Holdout visitors" in admin_client.get(LIST).content.decode()
    visitor = Visitor.objects.create()
    Impression.objects.create(
        list_id=uuid7(),
        visitor=visitor,
        placement="for_you",
        rung="popular",
        arm_id=HOLDOUT_ARM,
        items=["1"],
        slots=[1],
    )
    assert "see the popular list for ever" in admin_client.get(f"{LIST}holdout/").content.decode()


def test_looking_is_not_starting(staff_client: StaffClient) -> None:
    experiment = Experiment.objects.create(name="Draft")
    client = staff_client("view_experiment")
    assert client.get(page(experiment)).status_code == 200
    for act in ("start/", "stop/", "ramp/"):
        assert client.post(page(experiment, act), {"percent": "50"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403


def test_acts_are_posts(admin_client: Client) -> None:
    experiment = Experiment.objects.create(name="Draft")
    assert admin_client.get(page(experiment, "start/")).status_code == 405


def test_an_arm_names_a_version_or_does_not(admin_client: Client) -> None:
    shown = admin_client.post(f"{LIST}add/", {**FORM, "arms-1-strategy": "version"}).content.decode()
    assert "Name a version exactly where" in shown
    assert not Arm.objects.exists()


def test_intervals_share_a_scale_and_stay_inside_the_picture() -> None:
    wide, narrow = Lift(0.5, -3.0, 4.0, 0.5, -5.0, 6.0), Lift(0.1, 0.05, 0.15, 0.01, 0.02, 0.18)
    pictures = interval_chart([wide, narrow])
    assert 'x1="14.0" x2="386.0"' in pictures[0]
    assert "recommender-interval--better" in pictures[1] and "recommender-interval--open" in pictures[0]
