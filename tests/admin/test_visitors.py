"""What does this visitor see, and from which events?"""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from recommender.capture.tables import VIEW
from recommender.models import Feedback, Visitor
from shop.models import Product
from tests.worlds import make_event, make_products, publish_tiny_version

LIST = "/admin/recommender/visitor/"


@pytest.fixture
def ana(db: None) -> Visitor:
    return Visitor.objects.create(user=get_user_model().objects.create_user("ana", "ana@example.com"))


def shown(client: Client, visitor: Visitor) -> str:
    response = client.get(f"{LIST}{visitor.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_the_reasons_and_the_events_stand_on_one_page(admin_client: Client, ana: Visitor) -> None:
    products = make_products(8)
    version = publish_tiny_version(products)
    make_event(ana, products[0])
    make_event(ana, products[2], kind=VIEW)
    page = shown(admin_client, ana)
    assert "Personal: from this visitor" in page and str(version) in page
    assert "Because you" in page or "You bought this before" in page
    assert "Buy it again" in page and "Recently viewed" in page
    assert "2 events are recorded" in page


def test_what_the_visitor_said_stands_on_the_page(admin_client: Client, ana: Visitor) -> None:
    liked, refused = make_products(2)
    assert "What the visitor said" not in shown(admin_client, ana)
    for item, value in ((liked, Feedback.Value.MORE), (refused, Feedback.Value.LESS)):
        Feedback.objects.create(visitor=ana, item_id=item.pk, value=value, placement="for_you")
    said = re.findall(r"<tr><td><a [^>]*>([^<]*)</a></td><td>([^<]*)</td></tr>", shown(admin_client, ana))
    assert said == [(refused.name, "Not for me"), (liked.name, "More like this")]


def test_it_is_the_list_that_the_visitor_gets(admin_client: Client, ana: Visitor) -> None:
    from recommender.serving.query import Query
    from recommender.serving.recommend import recommend

    products = make_products(8)
    publish_tiny_version(products)
    make_event(ana, products[1])
    wanted = [entry.item.pk for entry in recommend(Query("for_you", ana, 12)).entries]
    response = admin_client.get(f"{LIST}{ana.pk}/change/")
    assert [card.id for card, _score in response.context["lists"][0]["cards"]] == wanted


def test_without_a_version_events_or_products_the_page_says_so(admin_client: Client, ana: Visitor) -> None:
    page = shown(admin_client, ana)
    assert "Nothing: there is nothing to show yet" in page and "None yet" in page


def test_events_of_deleted_items_are_listed_by_key(admin_client: Client, ana: Visitor) -> None:
    event = make_event(ana, make_products(1)[0])
    Product.objects.all().delete()
    assert f"<td>{event.item_id}</td>" in shown(admin_client, ana)


@pytest.mark.parametrize("term", ["ana", "example.com", "key"])
def test_a_visitor_is_found_by_account_and_by_key(admin_client: Client, ana: Visitor, term: str) -> None:
    Visitor.objects.create()
    response = admin_client.get(LIST, {"q": str(ana.key) if term == "key" else term})
    assert list(response.context["cl"].result_list) == [ana]


def test_looking_changes_nothing(admin_client: Client, ana: Visitor) -> None:
    products = make_products(3)
    publish_tiny_version(products)
    make_event(ana, products[0])
    shown(admin_client, ana)
    assert ana.events.count() == 1
    assert admin_client.get(f"{LIST}{ana.pk}/delete/").status_code == 403
