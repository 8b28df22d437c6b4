import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from rest_framework.request import Request

from recommender.capture.accounts import visitor_named
from recommender.capture.joins import join_visitors
from recommender.capture.record import record_event, record_events
from recommender.capture.visitor import forget_visitor, visitor_of
from recommender.conf import conf
from recommender.exceptions import VisitorNotFound
from recommender.middleware import VisitorMiddleware
from recommender.models import Event, ModelVersion, TrainingRun, Visitor, VisitorEmbedding
from shop.models import Product

Ask = Callable[..., tuple[Visitor | None, HttpResponse]]


@pytest.fixture
def ask(rf: RequestFactory) -> Ask:
    """One request through the middleware, with a browser's cookies: the visitor it found, and the response."""

    def one(cookies: dict[str, str] | None = None, create: bool = True, user: object = None, **extra: object):
        found: list[Visitor | None] = []

        def page(request: HttpRequest) -> HttpResponse:
            found.append(visitor_of(request, create=create))
            return HttpResponse()

        request = rf.get("/", **extra)
        request.COOKIES = cookies or {}
        request.user = user or AnonymousUser()
        return found, VisitorMiddleware(page)(request)

    def call(*args: object, **named: object) -> tuple[Visitor | None, HttpResponse]:
        found, response = one(*args, **named)
        return found[0], response

    return call


@pytest.fixture
def user(db: None) -> User:
    return get_user_model().objects.create_user("household-1", password="demo")


def cookie_of(response: HttpResponse) -> dict[str, str]:
    return {conf.VISITOR_COOKIE: response.cookies[conf.VISITOR_COOKIE].value}


def test_a_page_without_events_makes_no_visitor_and_sets_no_cookie(ask: Ask, db: None) -> None:
    visitor, response = ask(create=False)
    assert visitor is None
    assert not response.cookies
    assert not Visitor.objects.exists()


def test_the_cookie_brings_the_same_visitor_back(ask: Ask, db: None) -> None:
    visitor, response = ask()
    again, second = ask(cookie_of(response))
    assert again == visitor
    assert not second.cookies
    assert Visitor.objects.count() == 1


def test_the_cookie_is_signed_and_out_of_reach_of_scripts(ask: Ask, db: None) -> None:
    cookie = ask()[1].cookies[conf.VISITOR_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", "")
    assert cookie["max-age"] == 365 * 86_400
    assert ask(secure=True)[1].cookies[conf.VISITOR_COOKIE]["secure"] is True


@pytest.mark.parametrize("forgery", ["", "x", "{key}", "{key}:x:y", "\x00", "é" * 10, "{key}" * 500])
def test_a_forged_cookie_is_a_new_visitor(ask: Ask, visitor: Visitor, forgery: str) -> None:
    found, response = ask({conf.VISITOR_COOKIE: forgery.format(key=visitor.key)})
    assert found is not None and found != visitor
    assert ask(cookie_of(response))[0] == found


def test_a_cookie_of_another_purpose_is_no_cookie_of_a_visitor(ask: Ask, visitor: Visitor) -> None:
    response = HttpResponse()
    response.set_signed_cookie(conf.VISITOR_COOKIE, str(visitor.key), salt="another")
    assert ask(cookie_of(response))[0] != visitor


def test_the_cookie_of_a_visitor_that_is_gone_is_a_new_visitor(ask: Ask, db: None) -> None:
    visitor, response = ask()
    assert visitor is not None
    visitor.delete()
    found, second = ask(cookie_of(response))
    assert found is not None and found.key != visitor.key
    assert cookie_of(second) != cookie_of(response)


def test_an_account_has_one_visitor_on_every_device(ask: Ask, user: User) -> None:
    first, response = ask(user=user)
    second, _ = ask(user=user)
    assert first == second
    assert first is not None and first.user == user
    assert not response.cookies


def test_an_accounts_key_in_the_cookie_does_not_open_the_account(ask: Ask, user: User) -> None:
    """Even a rightly signed cookie, from before the login: an account is reached by its session only."""
    visitor, response = ask()
    assert visitor is not None
    Visitor.objects.filter(pk=visitor.pk).update(user=user)
    assert ask(cookie_of(response))[0] != visitor


def test_a_page_asks_the_database_once(rf: RequestFactory, db: None, django_assert_num_queries) -> None:
    request = rf.get("/")
    request.user = User(pk=1)
    with django_assert_num_queries(1):
        assert [visitor_of(request) for _ in range(5)] == [None] * 5
    forget_visitor(request)
    with django_assert_num_queries(1):
        visitor_of(request)


def test_a_rest_request_is_the_request_that_it_wraps(rf: RequestFactory, db: None) -> None:
    request = rf.get("/")
    visitor = visitor_of(Request(request), create=True)
    assert visitor_of(request) == visitor


def test_a_response_that_depends_on_the_visitor_is_not_for_others(ask: Ask, db: None) -> None:
    assert "Cookie" in ask(create=False)[1]["Vary"]


# --- named by an app


def test_an_app_names_a_visitor_or_a_user(visitor: Visitor, user: User) -> None:
    assert visitor_named({"visitor": str(visitor.key)}) == visitor
    account = visitor_named({"user": str(user.pk)})
    assert account.user == user
    assert visitor_named({"user": user.pk}) == account


def test_an_app_can_bring_its_own_visitor_keys(db: None) -> None:
    key = uuid4()
    with pytest.raises(VisitorNotFound):
        visitor_named({"visitor": str(key)})
    assert visitor_named({"visitor": str(key)}, create=True).key == key
    assert visitor_named({"visitor": str(key)}).key == key


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"visitor": ""},
        {"visitor": "x"},
        {"visitor": "\0"},
        {"visitor": str(UUID(int=0))},
        {"user": "0"},
        {"user": "x"},
        {"user": "\0"},
        {"user": "9" * 30},
        {"user": "9" * 5_000},
        {"visitor": str(UUID(int=0)), "user": "1"},
    ],
)
def test_whoever_does_not_exist_is_an_error(db: None, named: dict[str, str]) -> None:
    with pytest.raises(VisitorNotFound):
        visitor_named(named)


# --- merging


@pytest.fixture
def account(user: User) -> Visitor:
    return Visitor.objects.create(user=user)


@pytest.fixture
def history(visitor: Visitor, products: list[Product]) -> list[Product]:
    for product in products:
        record_event(visitor, product, "view")
    return products


def test_a_merge_moves_every_event_and_removes_the_anonymous_visitor(
    visitor: Visitor, account: Visitor, history: list[Product]
) -> None:
    record_event(account, history[0], "purchase")
    assert join_visitors(visitor, account) == 3
    assert Event.objects.filter(visitor=account).count() == 4
    assert not Visitor.objects.filter(pk=visitor.pk).exists()


def test_a_second_merge_finds_nothing(visitor: Visitor, account: Visitor, history: list[Product]) -> None:
    join_visitors(visitor, account)
    assert join_visitors(visitor, account) == 0
    assert join_visitors(account, account) == 0
    assert Event.objects.filter(visitor=account).count() == 3


def test_the_history_of_an_account_is_never_given_away(account: Visitor, history: list[Product]) -> None:
    other = Visitor.objects.create(user=get_user_model().objects.create(username="household-2"))
    with pytest.raises(ValueError, match="anonymous"):
        join_visitors(other, account)


def test_the_vector_of_the_anonymous_visitor_goes(visitor: Visitor, account: Visitor) -> None:
    run = TrainingRun.objects.create(trigger="command", status="published")
    version = ModelVersion.objects.create(run=run, dim=2, item_count=0, visitor_count=1, parts=[], verdict={})
    with connection.cursor() as cursor:
        table = VisitorEmbedding._meta.db_table
        cursor.execute(f"CREATE TABLE {table}_v{version.pk} PARTITION OF {table} FOR VALUES IN ({version.pk})")
    VisitorEmbedding.objects.create(version=version, visitor=visitor, vector=[1, 0])
    join_visitors(visitor, account)
    assert not VisitorEmbedding.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_merge_at_once_lose_nothing(visitor: Visitor, account: Visitor, history: list[Product]) -> None:
    start = Barrier(4)

    def tab() -> int:
        start.wait()
        return join_visitors(visitor, account)

    with ThreadPoolExecutor(4) as tabs:
        moved = list(tabs.map(in_own_connection, [tab] * 4))
    assert sorted(moved) == [0, 0, 0, 3]
    assert Event.objects.filter(visitor=account).count() == 3


def wait_until_one_waits() -> None:
    """Until another connection to this database waits for a lock that this one holds."""
    deadline = time.monotonic() + 10
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    pytest.fail("Nobody waits: the lock is missing.")


def in_own_connection(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_an_event_that_comes_during_a_merge_waits_and_is_told(
    visitor: Visitor, account: Visitor, product: Product
) -> None:
    """Told before the commit, where the foreign key would only then say so, to the whole transaction."""
    rows = [{"item": product.pk, "kind": "view"}]
    store = partial(record_events, visitor, rows, source=Event.Source.BEACON)
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            join_visitors(visitor, account)
            event = other.submit(in_own_connection, store)
            wait_until_one_waits()
        with pytest.raises(VisitorNotFound):
            event.result(timeout=10)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_merge_that_comes_during_a_checkout_waits_and_takes_its_events(
    visitor: Visitor, account: Visitor, product: Product
) -> None:
    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            record_event(visitor, product, "purchase")
            merge = other.submit(in_own_connection, partial(join_visitors, visitor, account))
            wait_until_one_waits()
        assert merge.result(timeout=10) == 1
    assert Event.objects.get().visitor == account


# --- login and logout through Django


@pytest.fixture
def browser(product: Product) -> Client:
    """A browser that looked at a product."""
    browser = Client(headers={"user-agent": "Mozilla/5.0"})
    post_view(browser, product)
    return browser


def post_view(browser: Client, product: Product) -> None:
    body = {"events": [{"item": product.pk, "kind": "view", "at": timezone.now().isoformat()}]}
    response = browser.post("/recommender/events/", body, content_type="application/json")
    assert response.json()["stored"] == 1


def test_a_login_takes_the_history_into_the_account(browser: Client, user: User, product: Product) -> None:
    anonymous = Visitor.objects.get()
    response = browser.post("/login/", {"username": user.username, "password": "demo"})
    assert response.status_code == 302
    visitor = Visitor.objects.get()
    assert visitor.user == user
    assert visitor != anonymous
    assert Event.objects.get().visitor == visitor
    assert response.cookies[conf.VISITOR_COOKIE]["max-age"] == 0


def test_a_login_without_a_history_makes_no_visitor(user: User) -> None:
    Client().force_login(user)
    assert not Visitor.objects.exists()


def test_after_the_logout_a_new_visitor_starts(browser: Client, user: User, product: Product) -> None:
    browser.post("/login/", {"username": user.username, "password": "demo"})
    post_view(browser, product)
    browser.post("/logout/")
    post_view(browser, product)
    anonymous = Visitor.objects.get(user=None)
    assert Event.objects.filter(visitor=anonymous).count() == 1
    assert Event.objects.filter(visitor__user=user).count() == 2


def test_a_second_login_on_the_same_browser_keeps_the_accounts_apart(
    browser: Client, user: User, product: Product
) -> None:
    other = get_user_model().objects.create_user("household-2", password="demo")
    for account in (user, other):
        browser.post("/login/", {"username": account.username, "password": "demo"})
        post_view(browser, product)
        browser.post("/logout/")
    assert Event.objects.filter(visitor__user=user).count() == 2
    assert Event.objects.filter(visitor__user=other).count() == 1
