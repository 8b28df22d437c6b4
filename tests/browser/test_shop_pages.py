"""Every page of the demo shop in a real browser: usable by everybody in both languages and colour schemes; no jumps."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import User
from django.core.cache import cache
from playwright.sync_api import Page, Route, expect

from recommender.models import Event, Visitor
from shop.models import Department, Order, OrderLine, Product
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Path, and whether the page of somebody with a history and a basket has lists of ours.
PAGES = {
    "/": True,
    "/d/pantry/": True,
    "/c/tins/": True,
    "/p/{item}/": True,
    "/search/?q=product": False,
    "/search/?q=nothing": True,
    "/basket/": True,
    "/checkout/": False,
    "/orders/": True,
    "/orders/{order}/": True,
    "/my-data/": False,
    "/my-data/erase/": False,
    "/nowhere/": False,
}
SHIFTS = """new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift = (window.shift || 0) + entry.value;
}).observe({ type: "layout-shift", buffered: true });"""
RUN = """(options) => axe.run(document, { resultTypes: ["violations"], ...options }).then((found) =>
  found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`)))"""
LIST = re.compile(r'<section class="rec-list.*?</section>', re.DOTALL)
Open = Callable[..., None]


@pytest.fixture
def household(transactional_db: None) -> Visitor:
    """An account with a history, an order, and lists that know it."""
    products = make_products(30)
    Product.objects.update(brand="Own Brand", description="A tin.", stock=3)
    visitor = Visitor.objects.create(user=User.objects.create_user("household-1", password="demo"))
    for item in products[:6]:
        make_event(visitor, item)
        make_event(visitor, item, Event.Kind.VIEW)
    publish_tiny_version(products, [visitor])
    order = Order.objects.create(user=visitor.user, total_cents=100, placed_at=visitor.created_at)
    OrderLine.objects.create(order=order, product=products[0], quantity=1, value_cents=100)
    return visitor


@pytest.fixture
def open_page(page: Page, live_server: Any, household: Visitor) -> Open:
    """Opens a page as the household, with something in the basket."""
    page.goto(f"{live_server.url}/login/")
    page.locator("input[name=username]").fill("household-1")
    page.locator("input[name=password]").fill("demo")
    page.locator("input[name=password]").press("Enter")
    item, order = Product.objects.first(), Order.objects.get()
    page.goto(f"{live_server.url}/p/{item.pk}/")
    page.locator(".buy .button").click()

    def open_it(path: str, language: str = "en") -> None:
        page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
        page.goto(live_server.url + path.format(item=item.pk, order=order.pk))

    return open_it


def test_axe_finds_nothing_on_any_page(page: Page, open_page: Open) -> None:
    found: list[str] = []
    for (path, has_lists), language in product(PAGES.items(), ["en", "zh-hans"]):
        page.emulate_media(color_scheme="light")
        open_page(path, language)
        assert page.locator("html").get_attribute("lang") == language
        assert (page.locator(".rec-card").count() > 0) == has_lists, path
        found += faults(page)
    assert found == []


def test_axe_finds_nothing_on_what_a_newcomer_sees(page: Page, live_server: Any, household: Visitor) -> None:
    found: list[str] = []
    for path in ("/login/", "/", "/basket/"):
        page.emulate_media(color_scheme="light")
        page.goto(live_server.url + path)
        found += faults(page)
    assert found == []


def faults(page: Page) -> list[str]:
    """What axe finds on the page as it is, and in its dark colours, which change nothing else."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, {})
    page.emulate_media(color_scheme="dark")
    return [f"{page.url} {each}" for each in [*found, *page.evaluate(RUN, {"runOnly": ["color-contrast"]})]]


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_lists_move_nothing_and_fit_the_page(page: Page, open_page: Open, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.add_init_script(SHIFTS)

    def without_lists(route: Route) -> None:
        if route.request.resource_type != "document":
            return route.continue_()
        answer = route.fetch()
        return route.fulfill(response=answer, body=LIST.sub("", answer.text()))

    for path in [path for path, has_lists in PAGES.items() if has_lists]:
        shifts = []
        for is_with in (True, False):
            if not is_with:
                page.route("**/*", without_lists)
            open_page(path)
            page.wait_for_load_state("networkidle")
            assert (page.locator(".rec-card").count() > 0) == is_with
            shifts.append(page.evaluate("window.shift || 0"))
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
        page.unroute("**/*")
        assert shifts[0] == shifts[1] == 0, path


def test_the_header_of_a_small_phone_is_two_rows_and_a_long_word_breaks(page: Page, open_page: Open) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    open_page("/search/?q=" + "w" * 180)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    logo, tools = (page.locator(name).bounding_box() for name in (".logo", ".tools"))
    assert logo and tools and abs(logo["y"] + logo["height"] / 2 - tools["y"] - tools["height"] / 2) < 5


@pytest.mark.parametrize("width", [860, 1079, 1080])
def test_the_header_of_a_wider_page_is_one_row(page: Page, open_page: Open, width: int) -> None:
    User.objects.update(first_name="Maximiliane", last_name="Featherstonehaugh-Cholmondeley")
    page.set_viewport_size({"width": width, "height": 740})
    open_page("/")
    row = page.locator(".top__row").bounding_box()
    assert row and row["height"] < 75
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_tablet_s_button_is_one_line(page: Page, open_page: Open) -> None:
    page.set_viewport_size({"width": 768, "height": 900})
    open_page("/p/{item}/")
    button = page.locator(".buy .button").bounding_box()
    assert button and button["height"] < 55


def test_large_text_cuts_no_department(page: Page, open_page: Open) -> None:
    Department.objects.update(name="Refreshments-Household")
    cache.clear()  # the departments are kept for a minute
    open_page("/")
    page.add_style_tag(content="html { font-size: 200% }")
    assert page.locator(".tile span").evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")


def test_forced_colours_frame_only_what_is_chosen(page: Page, open_page: Open) -> None:
    page.emulate_media(forced_colors="active")
    open_page("/d/pantry/")
    for choices in (".sorts a", ".rec-consent__level", ".language button"):
        lines = page.locator(choices).evaluate_all("all => all.map(one => getComputedStyle(one).borderBottomColor)")
        assert sorted(lines.count(line) for line in set(lines)) == [1, len(lines) - 1], choices


def test_a_choice_at_the_foot_stays_in_sight(page: Page, open_page: Open) -> None:
    open_page("/d/pantry/")
    page.locator(".rec-consent__level[value=session]").click()
    chosen = page.locator(".rec-consent__level[value=session][aria-pressed=true]")
    expect(chosen).to_be_in_viewport()
    assert page.url.endswith("/d/pantry/#consent")


def test_the_keyboard_leads_through_a_list(page: Page, open_page: Open) -> None:
    open_page("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_class("skip")
    page.keyboard.press("Enter")
    cards = page.locator(".rec-list").first.locator(".rec-card")
    for _step in range(20):
        page.keyboard.press("Tab")
        if page.locator(".rec-card :focus").count():
            break
    for place in range(2):
        card = cards.nth(place)
        title = card.locator("a").inner_text()
        expect(card.locator("a")).to_be_focused()
        ring = card.evaluate("card => [getComputedStyle(card).outlineStyle, getComputedStyle(card).outlineWidth]")
        assert ring == ["solid", "3px"]
        expect(card).to_be_in_viewport()
        for answer in ("More like this", "Not for me"):
            page.keyboard.press("Tab")
            expect(card.get_by_role("button", name=f"{answer}: {title}", exact=True)).to_be_focused()
        page.keyboard.press("Tab")
    name = cards.nth(2).locator("a").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
