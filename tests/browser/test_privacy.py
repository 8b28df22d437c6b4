"""The consent control and "My data" in a real browser, by keyboard."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

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


def test_my_data_downloads(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(f"{live_server.url}/p/{products[0].pk}/")
    page.get_by_role("link", name="My data").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    (visitor,) = json.loads(Path(download.value.path()).read_text())["visitors"]
    assert visitor["event"][0]["item_title"] == products[0].name


def test_forgetting_asks_once_by_keyboard_and_without_scripts(
    chromium: Browser, live_server: Any, products: list[Product]
) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/p/{products[0].pk}/")
        page.get_by_role("link", name="My data").click()
        for answer in ("No, back to my data", "Yes, forget me"):
            page.get_by_role("link", name="Forget me").press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text("Forget me?")
            assert Event.objects.exists()
            page.get_by_text(answer).press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text("My data")
        expect(page.get_by_text("Forgotten.")).to_be_visible()
        assert not Event.objects.exists()


def test_the_plugin_s_own_page_takes_this_was_not_me(page: Page, live_server: Any, settings: Any) -> None:
    """With the CSRF check as a browser meets it, which refuses a form whose page names no origin."""
    settings.TEMPLATES = [{**copy.deepcopy(settings.TEMPLATES[0]), "DIRS": []}]
    page.route("**/favicon.ico", lambda route: route.abort())
    page.goto(f"{live_server.url}/recommender/not-me/a:forged:token/")
    page.get_by_role("button", name="This was not me").click()
    expect(page.get_by_role("status")).to_have_text("There is nothing left to undo.")


def test_the_plugin_s_own_page_stands_right_to_left(page: Page, live_server: Any, settings: Any) -> None:
    settings.TEMPLATES = [{**copy.deepcopy(settings.TEMPLATES[0]), "DIRS": []}]
    settings.LANGUAGE_CODE, settings.LANGUAGES = "ar", [("ar", "Arabic")]
    page.route("**/favicon.ico", lambda route: route.abort())
    page.goto(f"{live_server.url}/recommender/not-me/a:forged:token/")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
