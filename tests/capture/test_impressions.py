from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.export import export_events
from recommender.capture.impressions import forget_old_impressions, store_impressions
from recommender.capture.joins import join_visitors
from recommender.capture.record import record_event
from recommender.models import Event, Impression, Visitor
from recommender.serving.popular import popular_items
from recommender.tokens import sign_impressions
from shop.models import Product

NONE = Event.Doubt.NONE


def token(visitor: Visitor | None, items: list[Product], made: object = None) -> str:
    claims = {"v": str(visitor.key) if visitor else "", "l": str(made or uuid7()), "p": "for_you", "m": 7}
    return sign_impressions({**claims, "r": "personal", "i": [str(item.pk) for item in items]})


def slots() -> list[list[int]]:
    return list(Impression.objects.order_by("list_id").values_list("slots", flat=True))


def test_seen_slots_are_one_row_a_list_however_often_and_in_whatever_parts_they_come(
    visitor: Visitor, products: list[Product]
) -> None:
    sent = token(visitor, products)
    assert store_impressions(visitor, [{"token": sent, "slots": [2, 1]}, {"token": sent, "slots": [2]}], NONE) == 2
    for _ in range(2):
        store_impressions(visitor, [{"token": sent, "slots": [3]}], NONE)
    assert slots() == [[1, 2, 3]]
    row = Impression.objects.get()
    assert row.items == [str(product.pk) for product in products]
    assert (row.placement, row.version_id, row.rung, row.visitor) == ("for_you", 7, "personal", visitor)


def test_a_repeated_report_writes_nothing(visitor: Visitor, products: list[Product]) -> None:
    rows = [{"token": token(visitor, products), "slots": [1, 2]}]

    def place() -> Any:
        store_impressions(visitor, rows, NONE)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT ctid FROM {Impression._meta.db_table}")
            return cursor.fetchone()

    assert place() == place()


@pytest.mark.parametrize("wrong", [[], [0], [4], [-1], ["1"], [1.5], [True], [None], "1", None, {}])
def test_a_slot_that_the_list_has_not_was_not_seen(visitor: Visitor, products: list[Product], wrong: object) -> None:
    assert store_impressions(visitor, [{"token": token(visitor, products), "slots": wrong}], NONE) == 0
    assert slots() == []


@pytest.mark.parametrize("row", [None, [], 1, "x", {}, {"slots": [1]}, {"token": 1, "slots": [1]}, {"token": "x"}])
def test_nonsense_was_not_seen(visitor: Visitor, row: object) -> None:
    assert store_impressions(visitor, [row], NONE) == 0


def test_somebody_elses_list_was_not_seen(visitor: Visitor, products: list[Product]) -> None:
    other = Visitor.objects.create()
    assert store_impressions(visitor, [{"token": token(other, products), "slots": [1]}], NONE) == 0


def test_a_list_for_nobody_counts_for_each_newcomer_who_saw_it(products: list[Product]) -> None:
    rows = [{"token": token(None, products), "slots": [1]}]
    for _ in range(2):
        assert store_impressions(Visitor.objects.create(), rows, NONE) == 1
    known = Visitor.objects.create(created_at=timezone.now() - timedelta(hours=1))
    assert store_impressions(known, rows, NONE) == 0
    assert slots() == [[1], [1]]


def test_what_was_shown_before_the_login_counts_after_it(visitor: Visitor, products: list[Product]) -> None:
    account = Visitor.objects.create()
    record_event(visitor, products[0], "view")
    sent = token(visitor, products)
    store_impressions(visitor, [{"token": sent, "slots": [1]}], NONE)
    join_visitors(visitor, account)
    assert store_impressions(account, [{"token": sent, "slots": [2]}], NONE) == 1
    assert list(Impression.objects.values_list("visitor", "slots")) == [(account.pk, [1, 2])]


def test_what_was_seen_before_an_erasure_is_not_stored_after_it(visitor: Visitor, products: list[Product]) -> None:
    visitor.forgotten_until = timezone.now() + timedelta(seconds=1)
    visitor.save()
    assert store_impressions(visitor, [{"token": token(visitor, products), "slots": [1]}], NONE) == 0


def test_old_lists_are_forgotten(visitor: Visitor, products: list[Product]) -> None:
    long_ago = UUID(int=uuid7().int - (100 * 86_400_000 << 80))
    for made in (long_ago, None):
        store_impressions(visitor, [{"token": token(visitor, products, made), "slots": [1]}], NONE)
    assert forget_old_impressions() == 1
    assert len(slots()) == 1


# --- at the endpoint


def test_the_endpoint_takes_impressions_beside_events_and_alone(client: Client, products: list[Product]) -> None:
    for body in (
        {"events": [], "impressions": [{"token": token(None, products), "slots": [1]}]},
        {
            "events": [{"item": products[0].pk, "kind": "view"}],
            "impressions": [{"token": token(Visitor.objects.first(), products), "slots": [2]}],
        },
    ):
        assert client.post("/recommender/events/", body, content_type="application/json").status_code == 202
    assert slots()[0] == [1]
    assert Visitor.objects.count() == 1


# --- what is doubted moves nobody else's lists


def test_doubted_events_neither_train_nor_make_popular(products: list[Product]) -> None:
    for doubt in Event.Doubt.values:
        record_event(Visitor.objects.create(), products[doubt % 3], "view", doubt=doubt)
    assert export_events().item.tolist() == [products[0].pk]
    assert [pair for pair in popular_items(None) if pair[1]] == [(products[0].pk, 1.0)]


def test_a_visitor_makes_an_item_popular_once_a_day(visitor: Visitor, products: list[Product]) -> None:
    for _ in range(20):
        record_event(visitor, products[0], "view")
    for _ in range(2):
        record_event(Visitor.objects.create(), products[1], "view")
    assert popular_items(None)[:2] == [(products[1].pk, 2.0), (products[0].pk, 1.0)]


@pytest.mark.parametrize(
    ("headers", "more", "doubt"),
    [
        ({"user-agent": "Mozilla/5.0"}, {}, Event.Doubt.NONE),
        ({"user-agent": "Mozilla/5.0 (compatible; bingbot/2.0)"}, {}, Event.Doubt.CRAWLER),
        ({}, {"webdriver": True}, Event.Doubt.WEBDRIVER),
        ({}, {"webdriver": "false"}, Event.Doubt.NONE),
        ({"sec-purpose": "prefetch"}, {}, Event.Doubt.PREFETCH),
    ],
)
def test_the_endpoint_doubts_what_no_person_sends(
    client: Client, product: Product, headers: dict[str, str], more: dict[str, object], doubt: int
) -> None:
    body = {"events": [{"item": product.pk, "kind": "view"}], **more}
    client.post("/recommender/events/", body, content_type="application/json", headers=headers)
    assert Event.objects.get().doubt == doubt


def test_a_browser_s_click_without_a_valid_token_is_doubted(client: Client, products: list[Product]) -> None:
    rows = [{"item": products[0].pk, "kind": "click", "token": sent} for sent in ("", "x", token(None, products))]
    rows.append({"item": products[0].pk, "kind": "click", "token": token(Visitor.objects.create(), products)})
    client.post("/recommender/events/", {"events": rows}, content_type="application/json")
    doubts = dict(Event.objects.values_list("impression__slot", "doubt"))
    assert doubts == {None: Event.Doubt.NO_TOKEN, 1: NONE}
    assert Event.objects.filter(doubt=Event.Doubt.NO_TOKEN).count() == 3
