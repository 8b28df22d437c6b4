"""beacon.js in a real browser, on the shop's real pages, against the real endpoint."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.utils import timezone
from playwright.sync_api import Page, Route

from recommender.conf import conf
from recommender.models import Event, Visitor
from shop.models import Product
from tests.worlds import make_products, publish_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CARD = '[data-recommender-placement="for_you"] [data-recommender-item]'
STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'"
)


@pytest.fixture
def products() -> list[Product]:
    products = make_products(20)
    publish_tiny_version(products)
    return products


def wait_for(found: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + 10
    while not (rows := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return rows


def events(kind: Event.Kind) -> list[Event]:
    return list(Event.objects.filter(kind=kind))


def settle(page: Page) -> None:
    """Leave the page, so that it sends what it holds, and give a second copy the time to arrive."""
    page.goto("about:blank")
    time.sleep(0.5)


def test_it_is_small() -> None:
    assert len(gzip.compress(Path(str(finders.find("recommender/beacon.js"))).read_bytes())) < 3 * 1024


def test_a_click_on_a_card_arrives_once_with_its_place(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(live_server.url)
    card = page.locator(CARD).nth(2)
    item = card.get_attribute("data-recommender-item")
    card.locator("a").click()
    page.wait_for_url("**/p/**")
    assert wait_for(lambda: events(Event.Kind.CLICK))
    settle(page)
    (click,) = events(Event.Kind.CLICK)
    assert (str(click.item_id), click.source) == (item, Event.Source.BEACON)
    assert (click.impression["placement"], click.impression["slot"]) == ("for_you", 3)
    assert click.impression["list"] and click.impression["rung"] == "popular"
    assert click.pk.version == 7
    assert abs((timezone.now() - click.at).total_seconds()) < 30
    # The page that opened was counted by the shop, for the same visitor, once.
    (view,) = events(Event.Kind.VIEW)
    assert (view.item_id, view.source, view.visitor) == (click.item_id, Event.Source.SHOP, click.visitor)


def test_it_works_under_a_strict_content_security_policy(page: Page, live_server: Any, products: list[Product]) -> None:
    violations: list[str] = []

    def with_policy(route: Route) -> None:
        if route.request.resource_type != "document":
            return route.fallback()
        response = route.fetch()
        route.fulfill(response=response, headers={**response.headers, "content-security-policy": STRICT})

    page.on("console", lambda message: violations.append(message.text) if "beacon" in message.text else None)
    page.route("**/*", with_policy)
    page.goto(live_server.url)
    page.locator(CARD).first.locator("a").click()
    page.wait_for_url("**/p/**")
    assert len(wait_for(lambda: events(Event.Kind.CLICK))) == 1
    assert violations == []


def test_opening_in_new_tabs_counts_a_card_once_and_without_leaving_the_page(
    page: Page, live_server: Any, products: list[Product]
) -> None:
    page.goto(live_server.url)
    card = page.locator(CARD).first
    for _ in range(3):
        card.locator("a").click(button="middle")
    page.locator(CARD).nth(1).locator("a").click(modifiers=["Control"])
    assert wait_for(lambda: events(Event.Kind.CLICK)[1:])  # they come one by one
    settle(page)
    assert sorted(click.impression["slot"] for click in events(Event.Kind.CLICK)) == [1, 2]


def test_other_clicks_are_none(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(live_server.url)
    page.locator(CARD).first.locator("a").click(button="right")
    page.locator("h1").click()
    page.locator("#departments ~ ul a").first.click()
    page.wait_for_url("**/d*/**")
    settle(page)
    assert not Event.objects.exists()


PLAIN = """<!doctype html><title>From a cache</title>
<main data-recommender-view="{item}"><h1>A page that a cache answers</h1></main>
<script defer src="/static/recommender/beacon.js" data-endpoint="/recommender/events/"></script>"""


def test_a_page_from_a_cache_reports_its_view(page: Page, live_server: Any, products: list[Product]) -> None:
    html = PLAIN.format(item=products[4].pk)
    page.route("**/cached/", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{live_server.url}/cached/")
    assert wait_for(lambda: events(Event.Kind.VIEW))
    # Its answer sets the cookie: the next event is the same visitor's.
    assert wait_for(lambda: [each for each in page.context.cookies() if each["name"] == conf.VISITOR_COOKIE])
    settle(page)
    (view,) = events(Event.Kind.VIEW)
    assert (view.item, view.source, view.impression) == (products[4], Event.Source.BEACON, None)
    page.goto(f"{live_server.url}/p/{products[5].pk}/")
    assert Visitor.objects.get().events.count() == 2


def test_many_events_go_in_batches_and_none_twice(page: Page, live_server: Any, products: list[Product]) -> None:
    views = "".join(f'<p data-recommender-item="{p.pk}" data-recommender-view>{p}</p>' for p in products * 6)
    html = PLAIN.format(item=products[0].pk) + views
    page.route("**/cached/", lambda route: route.fulfill(body=html, content_type="text/html"))
    sizes: list[int] = []
    page.on("request", lambda post: sizes.append(len(post.post_data_json["events"])) if post.method == "POST" else None)
    page.goto(f"{live_server.url}/cached/")
    assert wait_for(lambda: list(Event.objects.all()[120:]))
    settle(page)
    assert sizes == [100, 21]
    assert Event.objects.count() == 121
    assert Visitor.objects.count() == 1
