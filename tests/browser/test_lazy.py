"""The place of a list that comes late: what stands below it hardly moves."""

from typing import Any

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from playwright.sync_api import Page, expect

from tests.worlds import make_listed_products

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HTML = """<!doctype html><html lang="en"><title>Later</title>
{% load recommender %}{% recommender_styles %}<style>body { font: 16px/1.5 sans-serif }</style>
{% recommended_for_you n=4 lazy=True %}<p id="below">What stands below the list</p>"""
LINE = 21  # pixels of a title


@pytest.mark.parametrize("width", [1280, 360])
def test_the_blank_cards_are_as_high_as_the_cards(page: Page, live_server: Any, width: int) -> None:
    for product in make_listed_products():
        product.name = "Own Brand Fresh Milk, 1 gal"
        product.save()
    body = Template(HTML).render(Context({"request": RequestFactory().get("/")}))
    page.set_viewport_size({"width": width, "height": 900})
    page.route("**/later/", lambda route: route.fulfill(body=body, headers={"content-type": "text/html"}))
    waiting: list[Any] = []
    page.route("**/recommender/fragment/**", lambda route: waiting.append(route))
    page.goto(f"{live_server.url}/later/")

    def below() -> float:
        return float(page.locator("#below").evaluate("each => each.getBoundingClientRect().top"))

    expect(page.locator(".rec-list--waits .rec-card")).to_have_count(4)
    before = below()
    while not waiting:
        page.wait_for_timeout(10)
    waiting[0].continue_()
    expect(page.locator("[data-recommender-item]")).to_have_count(4)
    assert abs(below() - before) <= LINE
