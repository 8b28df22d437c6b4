import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from recommender.capture.receivers import order_event_id
from recommender.capture.visitor import visitor_of
from recommender.models import Event, QuarantinedEvent, Visitor
from recommender.signals import item_added, item_viewed, order_placed
from shop.models import Department, Product

PHONE = "Mozilla/5.0 (Linux; Android 14; CUBOT NOTE 50) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36"


@pytest.fixture
def shopper(rf: RequestFactory, db: None) -> Callable[..., HttpRequest]:
    def request(method: str = "GET", **headers: str) -> HttpRequest:
        made = rf.generic(method, "/", headers={"user-agent": PHONE, **headers})
        made.user = AnonymousUser()
        return made

    return request


def send_order(request: HttpRequest, lines: list[Any], order_id: object = 17, **more: Any) -> None:
    order_placed.send(sender=None, request=request, order_id=order_id, lines=lines, **more)


def test_each_signal_is_an_event(shopper: Callable[..., HttpRequest], products: list[Product]) -> None:
    request = shopper()
    item_viewed.send(sender=Product, request=request, item=products[0])
    item_added.send(sender=Product, request=request, item=products[0], quantity=2)
    send_order(request, [(products[0], 2, 398), (products[1], 1, 349)])
    events = Event.objects.order_by("received_at", "kind", "item_id")
    assert sorted(events.values_list("kind", "item_id", "quantity", "value_cents"), key=str) == [
        (Event.Kind.VIEW, products[0].pk, 1, None),
        (Event.Kind.CART, products[0].pk, 2, None),
        (Event.Kind.PURCHASE, products[0].pk, 2, 398),
        (Event.Kind.PURCHASE, products[1].pk, 1, 349),
    ]
    assert {(event.visitor, event.source) for event in events} == {(visitor_of(request), Event.Source.SHOP)}


# --- async views


def test_an_async_view_awaits_asend(shopper: Callable[..., HttpRequest], products: list[Product]) -> None:
    async def view() -> None:
        await item_viewed.asend(sender=Product, request=request, item=products[0])

    request = shopper()
    async_to_sync(view)()
    assert Event.objects.get().visitor == visitor_of(request)


def test_an_async_view_that_does_not_is_told_so_in_the_log(
    shopper: Callable[..., HttpRequest], products: list[Product], caplog: pytest.LogCaptureFixture
) -> None:
    async def view() -> None:
        item_viewed.send(sender=Product, request=shopper(), item=products[0])

    async_to_sync(view)()
    assert "asend" in caplog.messages[0] and not Event.objects.exists()


# --- views


GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.mark.parametrize(
    ("headers", "doubt"),
    [
        ({"user-agent": GOOGLE}, Event.Doubt.CRAWLER),
        ({"user-agent": "facebookexternalhit/1.1"}, Event.Doubt.CRAWLER),
        ({"user-agent": "curl/8.5.0"}, Event.Doubt.CRAWLER),
        ({"sec-purpose": "prefetch;prerender"}, Event.Doubt.PREFETCH),
        ({"purpose": "prefetch"}, Event.Doubt.PREFETCH),
        ({}, Event.Doubt.NONE),
    ],
)
def test_a_view_of_no_person_is_kept_with_a_doubt(
    shopper: Callable[..., HttpRequest], product: Product, headers: dict[str, str], doubt: int
) -> None:
    item_viewed.send(sender=Product, request=shopper(**headers), item=product)
    assert Event.objects.get().doubt == doubt


def test_crawlers_without_a_cookie_are_one_visitor(shopper: Callable[..., HttpRequest], product: Product) -> None:
    for _page in range(3):
        request = shopper(**{"user-agent": GOOGLE})
        item_viewed.send(sender=Product, request=request, item=product)
        assert visitor_of(request) is None
    assert Visitor.objects.get().events.count() == 3


def test_a_request_for_the_headers_only_is_no_view(shopper: Callable[..., HttpRequest], product: Product) -> None:
    item_viewed.send(sender=Product, request=shopper("HEAD"), item=product)
    assert not Event.objects.exists()


# --- orders


def test_an_order_that_is_sent_again_is_stored_once(
    shopper: Callable[..., HttpRequest], products: list[Product]
) -> None:
    lines = [(products[0], 2, 398), (products[1], 1, 349)]
    for _ in range(3):
        send_order(shopper(), lines)
    assert Event.objects.count() == 2
    send_order(shopper(), lines, order_id=18)
    assert Event.objects.count() == 4


def test_two_lines_of_one_item_are_one_purchase_of_it(shopper: Callable[..., HttpRequest], product: Product) -> None:
    send_order(shopper(), [(product, 2, 398), (product.pk, 1, 150)])
    event = Event.objects.get()
    assert (event.quantity, event.value_cents) == (3, 548)


def test_the_value_of_an_order_may_be_unknown(shopper: Callable[..., HttpRequest], product: Product) -> None:
    send_order(shopper(), [(product, 2, None), (product, 1, 199)])
    assert Event.objects.get().value_cents is None


def test_the_order_of_a_shop_that_tells_its_time_has_it(shopper: Callable[..., HttpRequest], product: Product) -> None:
    at = timezone.now() - timedelta(days=2)
    send_order(shopper(), [(product, 1, 199)], at=at)
    event = Event.objects.get()
    assert event.at == pytest.approx(at, abs=timedelta(seconds=1))
    assert event.pk.int >> 80 == int(at.timestamp() * 1_000)


def test_the_id_of_an_order_cannot_be_foretold_without_the_secret_key(settings: Any) -> None:
    known = order_event_id(17, 1, None)
    assert known == order_event_id(17, 1, None)
    assert known.version == 7
    assert len({known, order_event_id(17, 2, None), order_event_id(18, 1, None)}) == 3
    settings.SECRET_KEY = "another"
    assert order_event_id(17, 1, None) != known


# --- nothing reaches the shop


def test_a_broken_line_loses_neither_the_order_nor_the_other_lines(
    shopper: Callable[..., HttpRequest], product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        Department.objects.create(name="The order", slug="order")
        send_order(shopper(), [(987_654_321, 1, 100), (product, 1, 199), (product.pk + 999, 0, 1)])
        assert Department.objects.filter(slug="order").exists()
    assert Event.objects.get().item == product
    assert "item 987654321 was not recorded" in caplog.text
    codes = QuarantinedEvent.objects.values_list("code", flat=True)
    assert sorted(codes) == ["bad_quantity", "unknown_item"]


@pytest.mark.parametrize(
    "named",
    [
        {"item": None},
        {"item": "\0"},
        {"item": object()},
        {},
        {"request": None},
        {"request": "no request"},
        {"item": Product()},
    ],
)
def test_whatever_a_shop_sends_it_goes_on(
    shopper: Callable[..., HttpRequest], product: Product, named: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sent = {"request": shopper(), **({"item": product} if "request" in named else {}), **named}
    with transaction.atomic():
        for signal in (item_viewed, item_added):
            signal.send(sender=Product, **sent)
        Department.objects.create(name="The shop goes on", slug="on")
    assert not Event.objects.exists()
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_a_database_error_does_not_poison_the_checkout(
    shopper: Callable[..., HttpRequest], product: Product, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_event ADD CHECK (quantity < 5)")
    request = shopper()
    with transaction.atomic():
        Department.objects.create(name="The order", slug="order")
        send_order(request, [(product, 5, 995)])
        assert Department.objects.filter(slug="order").exists()
    assert "violates check constraint" in caplog.text
    kept = QuarantinedEvent.objects.get()
    assert (kept.code, kept.visitor) == ("not_storable", visitor_of(request))
    send_order(request, [(product, 4, 796)])
    assert Event.objects.get().visitor == visitor_of(request)


def test_a_visitor_that_vanishes_under_a_request_costs_no_event(
    shopper: Callable[..., HttpRequest], products: list[Product]
) -> None:
    request = shopper()
    item_viewed.send(sender=Product, request=request, item=products[0])
    Visitor.objects.all().delete()
    with transaction.atomic():
        order = Department.objects.create(name="The order", slug="order")
        send_order(request, [(products[0], 1, 199)])
    assert Department.objects.filter(pk=order.pk).exists()
    assert Event.objects.get().visitor == visitor_of(request)


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_rolled_back_takes_its_events_with_it(
    shopper: Callable[..., HttpRequest], product: Product
) -> None:
    request = shopper()
    with pytest.raises(RuntimeError), transaction.atomic():
        send_order(request, [(product, 1, 199)])
        raise RuntimeError
    assert not Event.objects.exists()


def test_a_login_goes_on_when_the_merge_fails(
    client: Any, db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    user = User.objects.create_user("household-1", password="demo")

    def fail(*args: object) -> None:
        raise RuntimeError("merge")

    monkeypatch.setattr("recommender.capture.receivers.log_in", fail)
    assert client.post("/login/", {"username": user.username, "password": "demo"}).status_code == 302
    assert "_auth_user_id" in client.session
    assert "RuntimeError: merge" in caplog.text
