"""Events are listed, found and filtered without ever counting or scanning them all."""

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recommender.admin import events as event_admin
from recommender.capture.tables import VIEW
from recommender.models import Event, Visitor
from shop.models import Product
from tests.worlds import make_event, make_products

LIST = "/admin/recommender/event/"


@pytest.fixture
def ana(db: None) -> Visitor:
    user = get_user_model().objects.create_user("ana", "ana@example.com")
    return Visitor.objects.create(user=user)


def listed(client: Client, **query: str) -> list[Event]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def test_the_newest_stand_first_with_the_names_of_the_items(admin_client: Client, ana: Visitor) -> None:
    old_item, new_item = make_products(2)
    make_event(ana, old_item, days_ago=2)
    newest = make_event(ana, new_item)
    assert listed(admin_client)[0] == newest
    shown = admin_client.get(LIST).content.decode()
    assert shown.index("Product 1") < shown.index("Product 0")


@pytest.mark.parametrize("term", ["ana", "ANA", "example.com", " ana "])
def test_found_by_account(admin_client: Client, ana: Visitor, term: str) -> None:
    mine = make_event(ana, make_products(1)[0])
    make_event(Visitor.objects.create(), mine.item_id)
    assert listed(admin_client, q=term) == [mine]


def test_found_by_the_key_of_a_visitor_and_by_id(admin_client: Client, ana: Visitor) -> None:
    mine = make_event(ana, make_products(1)[0])
    make_event(Visitor.objects.create(), mine.item_id)
    assert listed(admin_client, q=str(ana.key)) == [mine]
    assert listed(admin_client, q=str(mine.pk)) == [mine]


@pytest.mark.parametrize("term", [str(uuid.uuid4()), "nobody", "%", "ana\0", "'; DROP TABLE"])
def test_what_is_not_there_is_not_found(admin_client: Client, ana: Visitor, term: str) -> None:
    make_event(ana, make_products(1)[0])
    assert admin_client.get(LIST, {"q": term}).status_code in (200, 302)
    assert Event.objects.count() == 1


def test_filtered_by_kind(admin_client: Client, ana: Visitor) -> None:
    product = make_products(1)[0]
    make_event(ana, product)
    view = make_event(ana, product, kind=VIEW)
    assert listed(admin_client, kind__exact=str(VIEW)) == [view]


def test_an_event_of_a_deleted_item_is_still_listed(admin_client: Client, ana: Visitor) -> None:
    event = make_event(ana, make_products(1)[0])
    Product.objects.all().delete()
    assert listed(admin_client) == [event]
    assert admin_client.get(f"{LIST}{event.pk}/change/").status_code == 200


def test_a_page_counts_no_further_than_it_lists(
    admin_client: Client, ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_admin, "LISTED", 3)
    product = make_products(1)[0]
    for day in range(5):
        make_event(ana, product, days_ago=day)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = admin_client.get(LIST)
    assert response.context["cl"].result_count == 3
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "recommender_event" in query["sql"]]
    assert counts and all("LIMIT 3" in sql for sql in counts)


def test_a_page_takes_the_same_queries_however_many_rows(admin_client: Client, ana: Visitor) -> None:
    products = make_products(10)
    make_event(ana, products[0])
    with CaptureQueriesContext(connection) as few:
        admin_client.get(LIST)
    for product in products:
        make_event(ana, product)
    with CaptureQueriesContext(connection) as many:
        admin_client.get(LIST)
    assert len(many) == len(few)


def test_nothing_can_be_added_changed_or_deleted(admin_client: Client, ana: Visitor) -> None:
    event = make_event(ana, make_products(1)[0])
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{event.pk}/change/", {"quantity": 9}).status_code == 403
    assert admin_client.post(f"{LIST}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Event.objects.get().quantity == 1
