from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.record import record_event, record_events
from recommender.exceptions import EventRefused, VisitorNotFound
from recommender.models import Event, Visitor
from recommender.tokens import sign_impressions
from shop.models import Product

SHOP = Event.Source.SHOP
LIST = str(uuid7())


def test_one_event_from_python(visitor: Visitor, product: Product) -> None:
    at = timezone.now() - timedelta(days=1)
    assert record_event(visitor, product, "purchase", quantity=2, value_cents=398, at=at)
    event = Event.objects.get()
    assert (event.visitor, event.item, event.kind, event.source) == (visitor, product, Event.Kind.PURCHASE, SHOP)
    assert (event.quantity, event.value_cents) == (2, 398)
    assert abs(event.at - at) < timedelta(seconds=1)
    assert event.impression is None


def test_item_and_kind_may_be_named_in_two_ways(visitor: Visitor, product: Product) -> None:
    record_event(visitor, product.pk, Event.Kind.VIEW)
    record_event(visitor, str(product.pk), "view")
    assert list(Event.objects.values_list("item_id", "kind")) == [(product.pk, Event.Kind.VIEW)] * 2


def test_a_request_gets_its_visitor_with_its_first_event(rf: RequestFactory, product: Product) -> None:
    request = rf.get("/")
    with pytest.raises(EventRefused):
        record_event(request, "no key", "view")
    assert not Visitor.objects.exists()
    record_event(request, product, "view")
    record_event(request, product, "cart")
    assert Visitor.objects.get().events.count() == 2


@pytest.mark.parametrize("wrong", [{"item": 987_654_321}, {"kind": "look"}, {"kind": 9}, {"quantity": 0}])
def test_an_event_that_cannot_be_is_an_error(visitor: Visitor, product: Product, wrong: dict[str, Any]) -> None:
    with pytest.raises(EventRefused) as error:
        record_event(visitor, **{"item": product, "kind": "view", **wrong})
    assert error.value.code
    assert str(error.value) == error.value.reason


def test_an_id_is_stored_once(visitor: Visitor, product: Product) -> None:
    key = uuid7()
    assert record_event(visitor, product, "view", id=key) is True
    assert record_event(visitor, product, "view", id=key) is False
    assert record_event(Visitor.objects.create(), product, "purchase", id=key) is False
    assert Event.objects.get().visitor == visitor


def test_rows_are_stored_twice_in_no_batch(visitor: Visitor, product: Product) -> None:
    row = {"id": str(uuid7()), "item": product.pk, "kind": "view"}
    result = record_events(visitor, [row, row, {**row, "id": str(uuid7())}, {}], source=SHOP)
    assert (result.received, result.stored, result.duplicates, len(result.quarantined)) == (4, 2, 1, 1)


def test_a_visitor_that_is_gone_is_an_error_at_once(visitor: Visitor, product: Product) -> None:
    Visitor.objects.filter(pk=visitor.pk).delete()
    with pytest.raises(VisitorNotFound):
        record_event(visitor, product, "view")


def test_a_batch_takes_a_few_queries_whatever_its_size(
    visitor: Visitor, product: Product, django_assert_max_num_queries: Any
) -> None:
    rows = [{"item": product.pk, "kind": "view"}] * 500
    with django_assert_max_num_queries(5):
        assert record_events(visitor, rows, source=SHOP).stored == 500


@pytest.mark.django_db(transaction=True)
def test_batches_with_the_same_ids_do_not_deadlock(products: list[Product]) -> None:
    """Four senders retry the same 400 rows in different orders at the same time."""
    rows = [{"id": str(uuid7()), "item": products[0].pk, "kind": "view"} for _ in range(400)]
    orders = [rows, rows[::-1], rows[200:] + rows[:200], rows[::-1]]
    start = Barrier(len(orders))
    visitors = [Visitor.objects.create() for _ in orders]

    def send(number: int) -> int:
        try:
            start.wait()
            return record_events(visitors[number], orders[number], source=SHOP).stored
        finally:
            connection.close()

    with ThreadPoolExecutor(len(orders)) as senders:
        assert sum(senders.map(send, range(len(orders)))) == 400
    assert Event.objects.count() == 400


# --- impressions


def token(visitor_key: UUID | str, *items: Product) -> str:
    claims = {"v": str(visitor_key), "l": LIST, "p": "for_you", "m": 7, "r": "personal"}
    return sign_impressions({**claims, "i": [str(item.pk) for item in items]})


def impression(visitor: Visitor, item: Product, sent: str) -> Any:
    record_event(visitor, item, "click", token=sent)
    return Event.objects.get().impression


def test_a_click_with_a_token_knows_where_it_was(visitor: Visitor, products: list[Product]) -> None:
    shown = impression(visitor, products[2], token(visitor.key, *products))
    assert shown == {"list": LIST, "placement": "for_you", "version": 7, "rung": "personal", "slot": 3}


def test_a_list_for_nobody_in_particular_counts_for_visitors_who_are_newer_than_it(product: Product) -> None:
    newcomer = Visitor.objects.create()
    assert impression(newcomer, product, token("", product))["slot"] == 1


def test_a_list_for_nobody_in_particular_is_not_lent_to_those_who_got_their_own(product: Product) -> None:
    known = Visitor.objects.create(created_at=timezone.now() - timedelta(hours=1))
    assert impression(known, product, token("", product)) is None


def test_somebody_elses_token_does_not_count_but_the_click_does(visitor: Visitor, product: Product) -> None:
    other = Visitor.objects.create()
    assert impression(visitor, product, token(other.key, product)) is None


def test_a_token_does_not_count_for_an_item_that_was_not_in_the_list(visitor: Visitor, products: list[Product]) -> None:
    assert impression(visitor, products[2], token(visitor.key, *products[:2])) is None


@pytest.mark.parametrize("forged", ["x", "a:b:c", "\0", "\ud800", "x" * 100_000])
def test_a_forged_token_does_not_count(visitor: Visitor, product: Product, forged: str) -> None:
    assert impression(visitor, product, forged) is None
