"""The consent control and "My data" in a real browser, by keyboard."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from recommender.conf import conf
from recommender.models import Event, Visitor
from shop.models import Product
from tests.worlds import make_products, publish_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def products() -> list[Product]:
    products = make_products(8)
    publish_tiny_version(products)
    return products


def cookies(page: Page) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}


def test_the_choice_in_the_footer_works_by_keyboard(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(f"{live_server.url}/p/{products[0].pk}/")
    assert conf.VISITOR_COOKIE in cookies(page)
    button = page.get_by_role("button", name="not at all")
    button.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    pressed = page.locator("button[aria-pressed=true]")
    assert (pressed.count(), pressed.inner_text()) == (1, "not at all")
    assert conf.VISITOR_COOKIE not in cookies(page)
    assert not Visitor.objects.exists()
    assert page.locator("[data-recommender-placement=similar_items]").count() == 1


def test_my_data_downloads_and_forgets(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(f"{live_server.url}/p/{products[0].pk}/")
    page.get_by_role("link", name="My data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    (visitor,) = json.loads(Path(download.value.path()).read_text())["visitors"]
    assert visitor["event"][0]["item_title"] == products[0].name
    page.get_by_role("button", name="Forget me").click()
    page.get_by_text("Forgotten.").wait_for()
    assert not Event.objects.exists()
