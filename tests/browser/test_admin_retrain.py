"""The owner of the shop presses Retrain and watches a real worker train, in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Browser, Page, Route, expect

from recommender.models import ModelVersion, TrainingRun
from tests.training_worlds import make_trainable_shop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RUNS = "/admin/recommender/trainingrun/"
TRAINING_MS = 180_000
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'"
)
Status = TrainingRun.Status


@pytest.fixture
def quick_worker(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A real worker whose trainings take few epochs."""
    with monkeypatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings_quick_training")
        worker = request.getfixturevalue("celery_worker_process")
    yield worker


@pytest.fixture
def owner(transactional_db: None) -> None:
    get_user_model().objects.create_superuser("owner", password="secret")


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.get_by_label("Username:").fill("owner")
    page.get_by_label("Password:").fill("secret")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Log out")).to_be_visible()


def be_strict(page: Page) -> list[str]:
    """Serve every page under a strict content security policy; returns the list of what the browser blocks."""

    def add_policy(route: Route) -> None:
        response = route.fetch(max_redirects=0)
        route.fulfill(response=response, headers={**response.headers, "content-security-policy": STRICT})

    page.route(re.compile(r"/admin/recommender/.*/(change/)?$"), add_policy)
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    return blocked


@pytest.mark.parametrize("width", [1280, 390])
def test_retrain_is_pressed_watched_and_published(
    quick_worker: Any, owner: None, page: Page, live_server: Any, width: int
) -> None:
    make_trainable_shop()
    page.set_viewport_size({"width": width, "height": 900})
    log_in(page, live_server.url)
    blocked = be_strict(page)
    page.goto(live_server.url + RUNS)
    page.get_by_role("button", name="Retrain now").click()
    expect(page.get_by_text("is requested")).to_be_visible()

    stages = page.locator(".recommender-stage strong")
    expect(stages).to_contain_text(re.compile(r"Step \d of \d"), timeout=TRAINING_MS)  # without a reload by hand
    page.reload()  # nothing is lost by it
    expect(page.locator("progress")).to_be_visible()
    expect(page.get_by_text("Cancel this training")).to_have_count(0, timeout=TRAINING_MS)  # the page noticed the end

    run = TrainingRun.objects.get()
    assert run.status == Status.PUBLISHED, run.error
    expect(page.locator(".recommender-head").get_by_text("live", exact=True)).to_be_visible()
    assert page.locator("svg.recommender-line").count() >= 2, "a loss curve a stage"
    expect(page.get_by_text("It is what your visitors see now.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert blocked == []

    page.get_by_role("link", name=str(run.version)).click()
    expect(page.get_by_role("heading", name="What a recommendation is made of")).to_be_visible()
    assert ModelVersion.objects.get(is_live=True).run == run


def test_a_second_press_is_refused_and_cancel_stops_the_first(
    quick_worker: Any, owner: None, page: Page, live_server: Any
) -> None:
    make_trainable_shop()
    log_in(page, live_server.url)
    page.goto(live_server.url + RUNS)
    page.get_by_role("button", name="Retrain now").click()
    page.goto(f"{live_server.url}/admin/recommender/")
    page.get_by_role("button", name="Retrain now").click()
    expect(page.get_by_text("there is one at a time")).to_be_visible()
    page.get_by_role("button", name="Cancel this training").click()
    expect(page.get_by_text("The live version keeps serving")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    assert TrainingRun.objects.get().status == Status.CANCELLED


def test_the_end_of_a_training_does_not_take_what_is_being_typed(owner: None, page: Page, live_server: Any) -> None:
    TrainingRun.objects.create(trigger="admin", status=Status.RUNNING, stage="graph", progress=0.25)
    log_in(page, live_server.url)
    page.goto(live_server.url + RUNS)
    page.get_by_text("Retrain with options").click()
    seed = page.get_by_label("Seed")
    seed.fill("42")
    TrainingRun.objects.update(status=Status.FAILED, progress=0.5)
    expect(page.get_by_text("50 %").first).to_be_visible()
    page.wait_for_timeout(2_500)  # two looks later
    expect(seed).to_have_value("42")


def test_without_javascript_the_page_reloads_itself(owner: None, chromium: Browser, live_server: Any) -> None:
    run = TrainingRun.objects.create(trigger="admin", status=Status.RUNNING, stage="graph", progress=0.25)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}{RUNS}{run.pk}/change/")
    expect(page.get_by_text("25 %").first).to_be_visible()
    TrainingRun.objects.update(progress=0.5)
    expect(page.get_by_text("50 %").first).to_be_visible(timeout=15_000)
    context.close()


def test_a_key_can_be_copied_by_keyboard_alone(owner: None, page: Page, live_server: Any) -> None:
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}/admin/recommender/apikey/add/")
    page.get_by_label("Name:").fill("newsletter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("read any visitor's lists")).to_be_checked()
    page.keyboard.press("Enter")
    field = page.get_by_label("API key")
    field.focus()
    assert page.evaluate("getSelection().toString()") == field.input_value() != ""
