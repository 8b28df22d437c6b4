"""Many visitors in one request: the lists that each would get alone."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from recommender.api_keys import create_key
from recommender.models import Visitor
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

ONE, MANY = "/recommender/recommendations/", "/recommender/recommendations/batch/"


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def app() -> Client:
    return Client(headers={"authorization": f"Api-Key {create_key('mailer')[1]}"})


def ask(app: Client, **question: Any) -> Any:
    return app.post(MANY, question, content_type="application/json")


def titles(found: dict[str, Any]) -> list[str]:
    return [item["title"] for item in found["items"]]


def visitor_of(product: Product, user: User | None = None) -> Visitor:
    visitor = Visitor.objects.create(user=user)
    make_event(visitor, product, 1)
    return visitor


def test_each_gets_the_list_that_it_would_get_alone(app: Client, products: list[Product]) -> None:
    browser = visitor_of(products[4])
    user = User.objects.create_user("household-1")
    account = visitor_of(products[5], user)
    answer = ask(app, visitors=[str(browser.key)], users=[str(user.pk)], n=4).json()
    assert [(found["visitor"], found["user"]) for found in answer["lists"]] == [
        (str(browser.key), None),
        (str(account.key), str(user.pk)),
    ]
    for found, visitor in zip(answer["lists"], (browser, account), strict=True):
        alone = app.get(ONE, {"visitor": str(visitor.key), "n": 4}).json()
        assert (found["rung"], titles(found)) == (alone["rung"], titles(alone)) and len(titles(found)) == 4


def test_an_account_without_events_gets_what_is_popular_and_no_row(app: Client, products: list[Product]) -> None:
    user = User.objects.create_user("newcomer")
    (found,) = ask(app, users=[str(user.pk)]).json()["lists"]
    assert (found["rung"], found["visitor"], found["user"]) == ("popular", None, str(user.pk))
    assert not Visitor.objects.exists()


def test_whoever_there_is_not_is_named(app: Client, products: list[Product]) -> None:
    gone = str(uuid.uuid4())
    users = ["987654", "nobody", "9" * 40]
    assert ask(app, visitors=[gone], users=users).json() == {
        "lists": [],
        "unknown": {"visitors": [gone], "users": users},
    }


def test_a_list_that_starts_from_an_item_is_each_visitor_s_own(app: Client, products: list[Product]) -> None:
    visitor = visitor_of(products[0])
    question = {"visitors": [str(visitor.key)], "placement": "similar_items"}
    (found,) = ask(app, **question, item=[str(products[2].pk)]).json()["lists"]
    assert (found["rung"], found["visitor"]) == ("item", str(visitor.key))
    assert ask(app, **question, item=["987654321"]).status_code == 404


def test_a_name_that_is_repeated_counts_once(app: Client, products: list[Product]) -> None:
    visitor = visitor_of(products[0])
    assert len(ask(app, visitors=[str(visitor.key)] * 3).json()["lists"]) == 1


def test_what_is_excluded_is_in_no_list(app: Client, products: list[Product]) -> None:
    visitors = [visitor_of(product) for product in products[:3]]
    unwanted = {product.pk for product in products[3:8]}
    body = {"visitors": [str(visitor.key) for visitor in visitors], "exclude": sorted(map(str, unwanted)), "n": 20}
    lists = ask(app, **body).json()["lists"]
    assert len(lists) == 3 and not unwanted & {item["id"] for found in lists for item in found["items"]}


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({}, ""),
        ({"users": ["1"] * 3}, ""),
        ({"visitors": ["soap"]}, "visitors.0"),
        ({"visitors": [True]}, "visitors.0"),
        ({"visitors": [7]}, "visitors.0"),
        ({"users": ["1"], "placement": "similar_items"}, "item"),
        ({"users": ["1"], "n": 0}, "n"),
        ({"users": ["1"], "placement": "\ud800"}, "placement"),
        ({"users": "1"}, "users"),
        ({"users": ["x\0y"]}, "users.0"),
        ({"users": ["\ud800"]}, "users.0"),
    ],
)
@override_settings(RECOMMENDER_MAX_BATCH_VISITORS=2)
def test_a_wrong_question_is_named(app: Client, products: list[Product], question: dict[str, Any], field: str) -> None:
    answer = ask(app, **question)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_statements_grow_by_those_of_one_list_for_each(app: Client, products: list[Product]) -> None:
    visitors = [visitor_of(product) for product in products[:6]]

    def statements(count: int) -> int:
        with CaptureQueriesContext(connection) as caught:
            assert len(ask(app, visitors=[str(visitor.key) for visitor in visitors[:count]]).json()["lists"]) == count
        return len(caught)

    statements(1)  # the live version and the key's last use are read once
    one, two, six = statements(1), statements(2), statements(6)
    assert six - two < 5 * (two - one)  # four lists more; what is cached for seconds may be read again


def test_only_an_app_may_ask(client: Client, admin_client: Client, products: list[Product]) -> None:
    for browser in (client, admin_client):
        answer = ask(browser, users=["1"])
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Api-Key")
