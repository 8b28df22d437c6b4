"""Admin's pages in a real browser: nothing is cut off, all of it is reached by keyboard, and axe finds nothing."""

import re
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.utils import timezone
from playwright.sync_api import Page, expect

from recommender.api_keys import create_key
from recommender.models import Arm, Event, Experiment, ModelVersion, Rule, Visitor
from shop.models import Product
from tests.admin.test_pictures import mapped_version
from tests.browser.test_admin_retrain import log_in, owner
from tests.worlds import make_event, make_products, write_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ADMIN = "/admin/recommender/"
# Admin's own widgets and headings are Django's to mend: dates, the search field, the head of inline rows.
RUN = """() => axe.run(
  { include: ["#content"], exclude: [".vDateField", ".vTimeField", "#changelist-search", ".inline-group"] },
  { resultTypes: ["violations"] },
).then((found) => found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html}`)))"""
CUT = """() => [...document.querySelectorAll("#content *")]
  .filter((box) => !box.closest(".visually-hidden") && box.scrollWidth > box.clientWidth + 1
    && ["hidden", "clip"].includes(getComputedStyle(box).overflowX))
  .map((box) => `${box.tagName}.${box.className}: ${box.scrollWidth} > ${box.clientWidth}`)"""
SIDEWAYS = """() => [...document.querySelectorAll(".recommender-scroll")]
  .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth)
  .map((box) => box.innerText.slice(0, 60))"""

__all__ = ["owner"]


@pytest.fixture
def version(transactional_db: None) -> ModelVersion:
    made = mapped_version(make_products(30))
    other = write_tiny_version(list(Product.objects.all()))
    metrics = {"ours": {"ndcg@10": 0.2}, "popularity": {"ndcg@10": 0.1}}
    for each in (made, other):
        each.verdict = made.verdict | {"metrics": metrics, "holdout": {"visitors": 90, "start": "2026-11-01T00:00:00Z"}}
        each.save()
    return made


@pytest.fixture
def pages(version: ModelVersion) -> list[str]:
    """Something of everything, and where it is shown."""
    key, _plaintext = create_key("newsletter")
    item = Product.objects.latest("pk")
    item.pk, item.slug = 9_000_000_000_000, "late"  # a long key
    item.save(force_insert=True)
    rule = Rule.objects.create(name="First", action=Rule.Action.PIN, item=item, slot=1)
    started = timezone.now() - timedelta(days=3)
    running = Experiment.objects.create(name="Ours?", status=Experiment.Status.RUNNING, started_at=started)
    Arm.objects.create(experiment=running, name="Popular", strategy=Arm.Strategy.POPULAR, is_control=True)
    Arm.objects.create(experiment=running, name="Ours", strategy=Arm.Strategy.LIVE)
    visitor = Visitor.objects.create()
    make_event(visitor, Product.objects.earliest("pk"))
    other = ModelVersion.objects.exclude(pk=version.pk).get()
    run, model = "trainingrun/", "modelversion/"
    return [
        *("", run, f"{run}schedule/", f"{run}{version.run_id}/change/"),
        *(model, f"{model}dashboard/", f"{model}{version.pk}/change/", f"{model}{version.pk}/publish/"),
        *(f"{model}{version.pk}/map/", f"{model}{version.pk}/neighbours/?q=product"),
        f"{model}compare/?a={version.pk}&b={other.pk}",
        *("experiment/", f"experiment/{running.pk}/change/", "experiment/holdout/"),
        *("placement/", "placement/add/?name=for_you", "rule/", "rule/add/", f"rule/{rule.pk}/change/"),
        *("apikey/", "apikey/add/", f"apikey/{key.pk}/change/", "savedfilter/", "savedfilter/add/"),
        *("auditentry/", "ledgerentry/", "ledgerentry/quality/", "quarantinedevent/", "event/"),
        *("visitor/", f"visitor/{visitor.pk}/change/", f"visitor/{visitor.pk}/why/"),
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_can_be_used_by_everybody_and_misses_no_file(
    pages: list[str], owner: None, page: Page, live_server: Any, width: int, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    log_in(page, live_server.url)
    found: list[str] = []
    page.on("response", lambda answer: found.append(f"{answer.status} {answer.url}") if answer.status > 399 else None)
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    for path in pages:
        page.goto(f"{live_server.url}{ADMIN}{path}")
        page.evaluate(AXE_SCRIPT)
        found += [f"{path} {fault}" for fault in [*page.evaluate(CUT), *page.evaluate(RUN)]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{path} is wider than the screen")
    assert found == []


def test_a_phone_shows_two_versions_without_scrolling_sideways(
    pages: list[str], owner: None, page: Page, live_server: Any
) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    log_in(page, live_server.url)
    for path in (path for path in pages if re.match("modelversion/(compare|.*change)", path)):
        page.goto(f"{live_server.url}{ADMIN}{path}")
        expect(page.locator(".recommender-folds").first).to_be_visible()
        assert page.evaluate(SIDEWAYS) == [], path


def test_what_scrolls_sideways_is_reached_by_keyboard(
    pages: list[str], owner: None, page: Page, live_server: Any
) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}{ADMIN}experiment/holdout/")
    box = page.locator(".recommender-scroll").last
    assert page.evaluate(SIDEWAYS) != []
    expect(box).to_have_attribute("tabindex", "0")
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(box).not_to_have_attribute("tabindex", "0")


def test_the_events_fit_beside_the_filters(owner: None, page: Page, live_server: Any, version: ModelVersion) -> None:
    product = Product.objects.earliest("pk")
    Product.objects.filter(pk=product.pk).update(name="Own Brand White Cheddar Macaroni and Cheese, 7 oz (variety 2)")
    event = make_event(Visitor.objects.create(), product)
    Event.objects.filter(pk=event.pk).update(
        source=Event.Source.BULK, doubt=Event.Doubt.NO_TOKEN, impression={"placement": "basket_complement"}
    )
    log_in(page, live_server.url)
    page.goto(f"{live_server.url}{ADMIN}event/")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert page.locator(".results").evaluate("box => box.scrollWidth <= box.clientWidth")
