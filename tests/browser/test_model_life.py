"""A model's whole life in admin, in a real browser: retrained, watched, compared, published, tried in an experiment,
judged by its lift, and rolled back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from uuid_utils.compat import uuid7

from recommender.capture.tables import CLICK
from recommender.models import Arm, AuditEntry, Event, Experiment, Impression, ModelVersion, TrainingRun, Visitor
from recommender.serving.arms import arm_of, forget_running
from shop.models import Product
from tests.browser.test_admin_retrain import TRAINING_MS, be_strict, log_in, owner, quick_worker
from tests.training_worlds import make_trainable_shop
from tests.worlds import PASSED, publish_tiny_version

__all__ = ["owner", "quick_worker"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ADMIN = "/admin/recommender/"
WIDTHS = (390, 1280)
CLICKED = {Arm.Strategy.LIVE: 0.15, Arm.Strategy.VERSION: 0.5}  # share of the visitors of an arm who click
HEADLINE = {"ours": {"ndcg@10": 0.01}, "popularity": {"ndcg@10": 0.01}}


def look(page: Page, name: str) -> None:
    """The page fits a phone and a laptop."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width} px"


def test_a_model_lives_its_whole_life(quick_worker: Any, owner: None, page: Page, live_server: Any) -> None:
    first = publish_tiny_version(make_trainable_shop())
    first.verdict = PASSED | {"metrics": HEADLINE}
    first.save()
    log_in(page, live_server.url)
    blocked = be_strict(page)
    second = retrain_and_watch(page, live_server.url)
    compare(page, first, second)
    roll_back(page, first)
    experiment = start_experiment(page, live_server.url, second)
    let_visitors_in(experiment)
    read_the_lift(page)
    publish(page, second)
    roll_back(page, first)
    page.goto(f"{live_server.url}{ADMIN}auditentry/")
    look(page, "audit")
    acts = AuditEntry.objects.order_by("pk").values_list("act", flat=True)
    tried = ["arms", "start", "stop"]
    assert [*acts][1:] == ["request", "publish", "roll_back", *tried, "publish", "roll_back"]
    assert blocked == []


def retrain_and_watch(page: Page, url: str) -> ModelVersion:
    page.goto(f"{url}{ADMIN}trainingrun/")
    look(page, "runs")
    page.get_by_role("button", name="Retrain now").click()
    expect(page.locator(".recommender-stage strong")).to_contain_text(re.compile(r"Step \d of \d"), timeout=TRAINING_MS)
    look(page, "progress")
    expect(page.get_by_text("Cancel this training")).to_have_count(0, timeout=TRAINING_MS)
    look(page, "run")
    run = TrainingRun.objects.latest("pk")
    assert run.status == TrainingRun.Status.PUBLISHED, run.error
    page.get_by_role("link", name=str(run.version)).click()
    look(page, "version")
    return ModelVersion.objects.get(run=run)


def versions(page: Page) -> None:
    page.locator(".breadcrumbs").get_by_role("link", name="Recommendations").click()
    page.locator("#content").get_by_role("link", name="Model versions", exact=True).click()


def compare(page: Page, first: ModelVersion, second: ModelVersion) -> None:
    versions(page)
    look(page, "versions")
    page.get_by_role("link", name="Compare two").click()
    page.get_by_label("First version").select_option(str(first.pk))
    page.get_by_label("Second version").select_option(str(second.pk))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="All visitors")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Estimated clicks of {first}")).to_be_visible()
    look(page, "compare")


def roll_back(page: Page, target: ModelVersion) -> None:
    versions(page)
    page.get_by_role("link", name=f"Roll back to {target}").click()
    look(page, "roll back")
    page.get_by_role("button", name="Yes, make it live").click()
    expect(page.get_by_text(f"{target} is live")).to_be_visible()
    assert ModelVersion.objects.get(is_live=True) == target


def publish(page: Page, version: ModelVersion) -> None:
    versions(page)
    page.get_by_role("link", name=str(version), exact=True).click()
    look(page, "version that waits")
    page.get_by_role("link", name="Publish…").click()
    look(page, "publish")
    page.get_by_role("button", name="Yes, make it live").click()
    expect(page.get_by_text(f"{version} is live")).to_be_visible()
    assert ModelVersion.objects.get(is_live=True) == version


def start_experiment(page: Page, url: str, challenger: ModelVersion) -> Experiment:
    page.goto(f"{url}{ADMIN}experiment/add/")
    page.get_by_label("Name:").fill("The new one against the live one")
    page.locator("#id_arms-0-name").fill("Live")
    page.locator("#id_arms-0-strategy").select_option(Arm.Strategy.LIVE)
    page.locator("#id_arms-0-is_control").check()
    page.locator("#id_arms-1-name").fill("New")
    page.locator("#id_arms-1-strategy").select_option(Arm.Strategy.VERSION)
    page.locator("#id_arms-1-version").select_option(str(challenger.pk))
    look(page, "draft")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Nobody has seen a list of every arm yet.")).to_be_visible()
    look(page, "young experiment")
    return Experiment.objects.get()


def let_visitors_in(experiment: Experiment) -> None:
    """Two weeks pass: visitors see the list of the arm that their key puts them in, and some of them click."""
    forget_running()
    began = timezone.now() - timedelta(days=15)
    Experiment.objects.filter(pk=experiment.pk).update(started_at=began)
    items = [str(key) for key in Product.objects.order_by("pk").values_list("pk", flat=True)[:4]]
    seen, clicks, places = [], [], {arm.pk: 0 for arm in experiment.arms.all()}
    for visitor in Visitor.objects.bulk_create(Visitor() for _ in range(300)):
        arm = arm_of(visitor)
        assert arm is not None
        row = Impression(visitor=visitor, list_id=uuid7(), arm_id=arm.id, items=items, slots=[1, 2, 3, 4])
        row.placement, row.rung = "for_you", "personal"
        seen.append(row)
        if places[arm.id] % 20 < 20 * CLICKED[Arm.Strategy(arm.strategy)]:
            clicks.append(Event(visitor=visitor, item_id=int(items[0]), kind=CLICK, at=timezone.now(), source=1))
        places[arm.id] += 1
    Impression.objects.bulk_create(seen)
    Event.objects.bulk_create(clicks)


def read_the_lift(page: Page) -> None:
    page.reload()
    expect(page.locator(".recommender-badge--live", has_text="better")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\+\d+\.\d % clicks; surely between"))).to_be_visible()
    expect(page.locator(".recommender-interval--better").first).to_be_visible()
    look(page, "lift")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.", exact=True)).to_be_visible()
    look(page, "stopped experiment")
