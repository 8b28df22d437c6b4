"""The two buttons of a card in a real browser: with the beacon in place, without scripts by leading back."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Route, expect

from recommender.models import Feedback
from shop.models import Product
from tests.browser.test_beacon import CARD, wait_for
from tests.worlds import make_products, publish_tiny_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def products() -> list[Product]:
    products = make_products(20)
    publish_tiny_version(products)
    return products


def said() -> list[Feedback]:
    return list(Feedback.objects.all())


def test_the_beacon_says_it_in_place_and_takes_it_back(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(live_server.url)
    card = page.locator(CARD).nth(1)
    button = card.locator('button[value^="less:"]')
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    (row,) = wait_for(said)
    assert (str(row.item_id), row.value) == (card.get_attribute("data-recommender-item"), Feedback.Value.LESS)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert said() == []
    assert page.url.rstrip("/") == live_server.url


def test_a_double_click_says_it_once(page: Page, live_server: Any, products: list[Product]) -> None:
    page.goto(live_server.url)
    button = page.locator(CARD).nth(1).locator('button[value^="less:"]')
    button.dblclick()
    expect(button).to_have_attribute("aria-pressed", "true")
    time.sleep(0.5)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert len(said()) == 1
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_page_that_runs_the_script_again_says_it_once(page: Page, live_server: Any, products: list[Product]) -> None:
    """As one does whose body is swapped."""
    page.goto(live_server.url)
    page.add_script_tag(url="/static/recommender/feedback.js")
    posts: list[str] = []
    page.on("request", lambda post: posts.append(post.url) if "/feedback/" in post.url else None)
    button = page.locator(CARD).nth(1).locator('button[value^="less:"]')
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    time.sleep(0.5)
    assert len(posts) == len(said()) == 1


@pytest.mark.parametrize("fault", ["refused", "blocked", "a page of somebody else"])
def test_what_is_not_taken_is_said_in_the_list_and_the_page_stays(
    page: Page, live_server: Any, products: list[Product], fault: str
) -> None:
    def answer(route: Route) -> None:
        match fault:
            case "refused":
                route.fulfill(status=403, json={"code": "foreign_list"})
            case "blocked":
                route.abort()
            case _:
                route.fulfill(status=200, content_type="text/html", body="<h1>Log in to the network</h1>")

    page.goto(live_server.url)
    page.route("**/recommender/feedback/", answer)
    card = page.locator(CARD).nth(1)
    button = card.locator('button[value^="less:"]')
    button.click()
    status = card.locator("xpath=ancestor::section").get_by_role("status")
    expect(status).to_have_text("Your answer was not saved. Load the page again and try once more.")
    expect(status).to_be_in_viewport()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.url.rstrip("/") == live_server.url and said() == []
    page.unroute("**/recommender/feedback/")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(status).to_have_text("")
    wait_for(said)


def test_without_scripts_the_form_leads_back_to_another_list(
    chromium: Browser, live_server: Any, products: list[Product]
) -> None:
    User.objects.create_user("household-1", password="demo")  # a form of somebody logged in needs the CSRF token
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/login/")
    page.fill("[name=username]", "household-1")
    page.fill("[name=password]", "demo")
    page.locator("main form button").last.click()
    page.goto(live_server.url)
    item = page.locator(CARD).nth(1).get_attribute("data-recommender-item")
    page.locator(CARD).nth(1).locator('button[value^="less:"]').click()
    assert page.url.rstrip("/") == live_server.url
    expect(page.locator(f'{CARD}[data-recommender-item="{item}"]')).to_have_count(0)
    assert [str(row.item_id) for row in said()] == [item]
    context.close()
    time.sleep(0.2)  # the server's last request ends before its database goes
