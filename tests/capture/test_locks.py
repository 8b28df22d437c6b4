"""What a checkout that is still open in one tab costs another: no wait, no dead lock, and no event."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from recommender.capture.outage import database_is_away
from recommender.exceptions import NotKept
from recommender.models import Event, Visitor, VisitorJoin
from recommender.savepoints import impatient
from recommender.signals import item_viewed, order_placed
from shop.models import Product

pytestmark = pytest.mark.django_db(transaction=True)
BUDGET_MS = 400
LONG_SECONDS = 2.0  # a checkout; nobody waits so long


@pytest.fixture(autouse=True)
def budget(settings: Any) -> None:
    settings.RECOMMENDER_CAPTURE_BUDGET_MS = BUDGET_MS


@pytest.fixture
def spill(tmp_path: Path, settings: Any) -> None:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("household-1", password="demo")


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": "Mozilla/5.0"})


@contextmanager
def meanwhile(act: Callable[[], object], then: Callable[[], object] = lambda: None) -> Iterator[Any]:
    """In another transaction: `act` before the block, `then` and the commit after it, or LONG_SECONDS later."""
    has_acted, is_over = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                has_acted.set()
                is_over.wait(LONG_SECONDS)
                then()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        assert has_acted.wait(10)
        try:
            yield is_over
        finally:
            is_over.set()
            running.result()


def order(user: User, product: Product, order_id: int = 1) -> None:
    request: Any = RequestFactory().get("/")
    request.user = user
    order_placed.send(sender=None, request=request, order_id=order_id, lines=[(product, 1, 199)])


def view(user: User, product: Product) -> None:
    request: Any = RequestFactory().get("/")
    request.user = user
    item_viewed.send(sender=None, request=request, item=product)


def until_stored(count: int) -> None:
    deadline = time.monotonic() + 10
    while Event.objects.count() < count:
        assert time.monotonic() < deadline, "nothing was drained"
        time.sleep(0.05)


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_a_page_does_not_wait_for_the_first_checkout_of_its_account(
    spill: None, user: User, product: Product, around: Callable[[], Any]
) -> None:
    with meanwhile(lambda: order(user, product)):
        began = time.monotonic()
        with around():
            view(user, product)
        assert time.monotonic() - began < LONG_SECONDS / 2
        assert not database_is_away()  # one row is locked, no server is gone
    until_stored(2)
    assert {event.visitor.user for event in Event.objects.all()} == {user}


def test_an_order_whose_visitor_is_locked_is_stored_if_the_shop_commits(
    spill: None, user: User, product: Product
) -> None:
    with meanwhile(lambda: view(user, product)):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")  # the shop's own, and shorter than ours
            order(user, product)
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("100ms",)
            User.objects.create(username="the order")
        with pytest.raises(RuntimeError), transaction.atomic():
            order(user, product, order_id=2)
            raise RuntimeError
    until_stored(2)
    assert Event.objects.filter(kind=Event.Kind.PURCHASE).count() == 1
    assert User.objects.filter(username="the order").exists()


def test_an_order_of_a_shop_that_commits_by_hand_is_kept_too(spill: None, user: User, product: Product) -> None:
    with meanwhile(lambda: view(user, product)):
        transaction.set_autocommit(False)
        try:
            order(user, product)
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
    until_stored(2)


def test_without_a_file_nobody_is_told_that_it_was_kept(
    user: User, product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    with meanwhile(lambda: order(user, product)), transaction.atomic():
        view(user, product)
    assert NotKept.__name__ in caplog.text
    assert Event.objects.count() == 1


def test_a_login_does_not_wait_for_a_checkout_of_its_account(browser: Client, user: User, product: Product) -> None:
    Visitor.objects.create(user=user)
    record = {"events": [{"item": product.pk, "kind": "view"}]}
    browser.post("/recommender/events/", record, content_type="application/json")
    with meanwhile(lambda: order(user, product)):
        began = time.monotonic()
        browser.post("/login/", {"username": user.username, "password": "demo"})
        assert time.monotonic() - began < LONG_SECONDS / 2
        assert VisitorJoin.objects.count() == 1
    assert {event.visitor.user for event in Event.objects.all()} == {user}


def test_a_login_and_a_checkout_of_an_account_do_not_dead_lock(browser: Client, user: User, product: Product) -> None:
    Visitor.objects.create(user=user)
    record = {"events": [{"item": product.pk, "kind": "view"}]}
    browser.post("/recommender/events/", record, content_type="application/json")

    def count_points() -> None:
        User.objects.filter(pk=user.pk).update(first_name="gold")

    with meanwhile(lambda: order(user, product), then=count_points) as is_over, transaction.atomic():
        User.objects.filter(pk=user.pk).update(last_name="seen")  # as Django notes the time of a login
        is_over.set()
        time.sleep(0.2)  # the checkout waits for us now
        browser.post("/login/", {"username": user.username, "password": "demo"})
    user.refresh_from_db()
    assert (user.first_name, VisitorJoin.objects.count()) == ("gold", 1)


def test_a_login_during_a_checkout_of_its_own_browser_leaves_the_history_to_the_logout(
    browser: Client, user: User, product: Product
) -> None:
    record = {"events": [{"item": product.pk, "kind": "view"}]}
    browser.post("/recommender/events/", record, content_type="application/json")
    visitor = Visitor.objects.get()
    credentials = {"username": user.username, "password": "demo"}
    with meanwhile(lambda: Visitor.objects.select_for_update().get(pk=visitor.pk)):
        began = time.monotonic()
        assert browser.post("/login/", credentials).status_code == 302
        assert time.monotonic() - began < LONG_SECONDS / 2
    assert Event.objects.get().visitor == visitor
    browser.post("/logout/")
    assert Event.objects.get().visitor.user == user


def test_what_was_impatient_leaves_the_rest_of_a_transaction_as_it_was(user: User) -> None:
    with meanwhile(lambda: User.objects.select_for_update().get(pk=user.pk)), transaction.atomic():
        User.objects.create(username="before")
        with pytest.raises(OperationalError), impatient(50):
            User.objects.filter(pk=user.pk).update(first_name="late")
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("0",)
    assert User.objects.filter(username="before").exists()
