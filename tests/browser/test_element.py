"""<recommended-for-you> on a page that Django does not render, against the real API."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from recommender.models import Event, Impression
from shop.models import Product
from tests.worlds import make_listed_products

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HTML = """<!doctype html><html lang="en"><title>Written by hand</title>
<link rel="stylesheet" href="/static/recommender/widgets.css">
<h1>Written by hand</h1>
{element}
<p id="below">What stands below the list</p>
<script defer nonce="n0nce" src="/static/recommender/recommended-for-you.js"></script>
<script defer nonce="n0nce" src="/static/recommender/beacon.js" data-endpoint="/recommender/events/"></script>"""
POLICY = "default-src 'none'; script-src 'nonce-n0nce'; connect-src 'self'; style-src 'self'; img-src 'self'"
SHIFTS = """new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift = (window.shift || 0) + entry.value;
}).observe({ type: "layout-shift", buffered: true });"""

Open = Callable[[str], None]


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def open_page(page: Page, live_server: Any, products: list[Product]) -> Open:
    def open_with(element: str) -> None:
        headers = {"content-type": "text/html", "content-security-policy": POLICY}
        page.route("**/by-hand/", lambda route: route.fulfill(body=HTML.format(element=element), headers=headers))
        page.goto(f"{live_server.url}/by-hand/")

    return open_with


def test_it_is_the_list_that_a_template_tag_renders(open_page: Open, page: Page) -> None:
    open_page('<recommended-for-you n="4"></recommended-for-you>')
    region = page.get_by_role("region", name="Recommended for you")
    expect(region.get_by_role("listitem")).to_have_count(4)
    expect(region.get_by_role("heading", level=2)).to_have_text("Recommended for you")
    assert region.get_attribute("class") == "rec-list rec-list--for_you"
    assert region.locator("a.rec-card__link").first.get_attribute("href")
    assert page.locator("recommended-for-you").get_attribute("aria-busy") is None


def test_it_takes_what_the_tags_take_and_follows_a_change(open_page: Open, page: Page, products: list[Product]) -> None:
    tag = '<recommended-for-you placement="similar_items" item="{}" n="3" heading="Like it"></recommended-for-you>'
    open_page(tag.format(products[0].pk))
    cards = page.locator("[data-recommender-item]")
    expect(page.get_by_role("region", name="Like it")).to_be_visible()
    expect(cards).to_have_count(3)
    first = cards.first.get_attribute("data-recommender-item")
    page.evaluate(f"document.querySelector('recommended-for-you').setAttribute('exclude', '{first}')")
    expect(page.locator(f'[data-recommender-item="{first}"]')).to_have_count(0)
    expect(cards).to_have_count(3)


def test_it_asks_once_for_all_its_attributes(open_page: Open, page: Page, products: list[Product]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/recommendations/" in request.url else None)
    tag = '<recommended-for-you placement="similar_items" item="{}" n="3" heading="Like it"></recommended-for-you>'
    open_page(tag.format(products[0].pk))
    expect(page.locator("[data-recommender-item]")).to_have_count(3)
    assert len(asked) == 1
    page.locator("recommended-for-you").evaluate(
        "each => ['n', 'heading'].forEach((name) => each.setAttribute(name, 2))"
    )
    expect(page.get_by_role("region", name="2")).to_be_visible()
    assert len(asked) == 2


def test_a_page_may_run_the_script_again(open_page: Open, page: Page) -> None:
    """As one does whose body is swapped; the fixture fails where a script does."""
    open_page('<recommended-for-you n="4"></recommended-for-you>')
    again = """(script) => new Promise((done) => {
        const copy = document.createElement("script");
        copy.nonce = script.nonce, copy.src = script.src, copy.onload = done, document.body.append(copy);
    })"""
    page.locator("script").first.evaluate(again)
    expect(page.locator("[data-recommender-item]")).to_have_count(4)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_when_the_list_comes(page: Page, open_page: Open, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(SHIFTS)
    page.route("**/recommendations/**", lambda route: (time.sleep(0.5), route.continue_()))
    open_page('<recommended-for-you n="6"></recommended-for-you>')
    expect(page.locator("[data-recommender-item]")).to_have_count(6)
    page.wait_for_timeout(200)
    assert page.evaluate("window.shift || 0") < 0.1


@pytest.mark.parametrize("status", [500, 404])
def test_a_page_goes_on_without_a_list(page: Page, open_page: Open, status: int) -> None:
    page.route("**/recommendations/**", lambda route: route.fulfill(status=status, body="{"))
    open_page("<recommended-for-you></recommended-for-you>")
    expect(page.locator("recommended-for-you")).to_be_hidden()
    expect(page.locator("#below")).to_be_visible()


def test_titles_are_text_never_markup(page: Page, open_page: Open, products: list[Product]) -> None:
    Product.objects.update(name='<img src=x onerror="window.hacked = 1">')
    open_page('<recommended-for-you n="2"></recommended-for-you>')
    expect(page.locator(".rec-card__link").first).to_have_text('<img src=x onerror="window.hacked = 1">')
    assert page.evaluate("window.hacked") is None


def test_clicks_and_seen_slots_are_reported_by_the_beacon(open_page: Open, page: Page) -> None:
    open_page('<recommended-for-you n="4"></recommended-for-you>')
    page.locator("[data-recommender-item]").nth(1).locator("a").click(button="middle")
    deadline = time.monotonic() + 10
    clicks = Event.objects.filter(kind=Event.Kind.CLICK)

    def is_reported() -> bool:
        """The list of the click was seen; the item's own page, in the other tab, has lists, too."""
        click = clicks.first()
        return click is not None and Impression.objects.filter(list_id=click.impression["list"]).exists()

    while not is_reported() and time.monotonic() < deadline:
        time.sleep(0.1)
    click = clicks.get()
    assert (click.impression["placement"], click.impression["slot"]) == ("for_you", 2)
    assert is_reported()
