"""What a browser did before its login and sends during or after it lands at the account, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.joins import join_token, join_visitors, undo_join
from recommender.conf import conf
from recommender.models import Event, Visitor, VisitorJoin
from recommender.privacy.erasure import erase
from shop.models import Product
from tests.worlds import publish_tiny_version

pytestmark = pytest.mark.django_db
EVENTS = "/recommender/events/"


@pytest.fixture
def user(db: None) -> User:
    return get_user_model().objects.create_user("household-1", password="demo")


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": "Mozilla/5.0"})


def view_of(product: Product, **more: Any) -> dict[str, Any]:
    return {"item": product.pk, "kind": "view", "id": str(uuid7()), **more}


def send(client: Client, *events: dict[str, Any]) -> HttpResponse:
    return client.post(EVENTS, {"events": events}, content_type="application/json")


def page_from_before(browser: Client) -> Client:
    """A page with the cookies that the browser has now, whose beacon is slow."""
    page = Client(headers={"user-agent": "Mozilla/5.0"})
    page.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    return page


def log_in(browser: Client) -> None:
    assert browser.post("/login/", {"username": "household-1", "password": "demo"}).status_code == 302


def owners() -> list[Any]:
    return list(Event.objects.order_by("at", "pk").values_list("visitor__user__username", flat=True))


def test_a_late_event_is_the_accounts_and_a_repeated_one_a_duplicate(
    browser: Client, user: User, product: Product
) -> None:
    first, late = view_of(product), view_of(product)
    send(browser, first)
    page = page_from_before(browser)
    log_in(browser)
    response = send(page, first, late)
    assert (response.json()["stored"], response.json()["duplicates"]) == (1, 1)
    assert send(page, first, late).json()["duplicates"] == 2
    assert owners() == ["household-1"] * 2
    assert not Visitor.objects.filter(user=None).exists()
    assert conf.VISITOR_COOKIE not in response.cookies


def test_a_browser_whose_first_event_is_the_late_one(browser: Client, user: User, product: Product) -> None:
    send(browser, view_of(product))
    Event.objects.all().delete()  # its visitor was made, its event is on its way
    page = page_from_before(browser)
    log_in(browser)
    assert send(page, view_of(product)).json()["stored"] == 1
    assert owners() == ["household-1"]


def test_this_was_not_me_gives_late_ones_back_too(browser: Client, user: User, product: Product) -> None:
    send(browser, view_of(product))
    page = page_from_before(browser)
    log_in(browser)
    send(page, view_of(product))
    assert undo_join(join_token(VisitorJoin.objects.get())) == 2
    assert owners() == [None, None]
    send(page, view_of(product))
    assert owners() == [None] * 3
    assert Visitor.objects.filter(user=None).count() == 1


def test_a_cookie_that_lives_on_after_the_login_is_somebody_new(browser: Client, user: User, product: Product) -> None:
    send(browser, view_of(product))
    page = page_from_before(browser)
    log_in(browser)
    VisitorJoin.objects.update(joined_at=timezone.now() - timedelta(hours=1))
    send(page, view_of(product))
    assert owners() == ["household-1", None]
    before = (timezone.now() - timedelta(hours=2)).isoformat()
    send(page_from_before(browser), view_of(product))  # of the account's session: it needs no cookie
    assert send(page, view_of(product, at=before)).json()["stored"] == 1  # under its new cookie now
    assert sorted(owners(), key=str) == [None, None, "household-1", "household-1"]


def test_an_old_cookie_shows_nothing_of_the_account(browser: Client, user: User, product: Product) -> None:
    publish_tiny_version([product])
    send(browser, view_of(product))
    page = page_from_before(browser)
    log_in(browser)
    send(page, view_of(product))
    assert page.get("/recommender/recommendations/", {"placement": "recently_viewed"}).json()["items"] == []
    assert page.get("/recommender/visitor/").json() == {"visitors": []}


def test_a_late_click_brings_its_token(browser: Client, user: User, products: list[Product]) -> None:
    Product.objects.update(stock=5)
    publish_tiny_version(products)
    send(browser, view_of(products[0]))
    shown = browser.get("/recommender/recommendations/", {"placement": "for_you"}).json()
    page = page_from_before(browser)
    log_in(browser)
    click = {"item": shown["items"][0]["id"], "kind": "click", "id": str(uuid7()), "token": shown["token"]}
    assert send(page, click).json()["stored"] == 1
    event = Event.objects.get(kind=Event.Kind.CLICK)
    assert (event.visitor.user, event.doubt) == (user, Event.Doubt.NONE)
    assert event.impression["slot"] == 1


def test_a_late_event_does_not_bring_an_erased_account_back(browser: Client, user: User, product: Product) -> None:
    before = (timezone.now() - timedelta(minutes=5)).isoformat()
    send(browser, view_of(product))
    page = page_from_before(browser)
    log_in(browser)
    erase(Visitor.objects.get(user=user))
    assert [row["code"] for row in send(page, view_of(product, at=before)).json()["refused"]] == ["erased"]
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_beacons_that_race_a_login_all_land_at_the_account_once(browser: Client, user: User, product: Product) -> None:
    send(browser, view_of(product))
    rows, pages = [view_of(product) for _ in range(40)], [page_from_before(browser) for _ in range(4)]
    anonymous, account = Visitor.objects.get(), Visitor.objects.create(user=user)
    at_once = Barrier(5)

    def beacon(page: Client) -> None:
        try:
            at_once.wait(10)
            for row in rows:  # all pages send all rows: whatever is answered too late is sent again
                assert send(page, row).status_code == 202
        finally:
            connection.close()

    def login() -> None:
        try:
            at_once.wait(10)
            join_visitors(anonymous, account)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as threads:
        done = [*(threads.submit(beacon, page) for page in pages), threads.submit(login)]
    assert [each.exception() for each in done] == [None] * 5
    assert owners() == ["household-1"] * 41
