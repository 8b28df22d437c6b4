import json
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommender.api_keys import create_key
from recommender.models import Visitor
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

URL = "/recommender/recommendations/"


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def household(products: list[Product]) -> Visitor:
    """An account whose visitor looked at an even product."""
    visitor = Visitor.objects.create(user=User.objects.create_user("household-1", password="demo"))
    make_event(visitor, products[4], 1)
    return visitor


@pytest.fixture
def signed_in(household: Visitor) -> Iterator[Client]:
    client = Client()
    client.force_login(household.user)
    yield client


@pytest.fixture
def key() -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Api-Key {create_key('mailer')[1]}"}


def numbers(response) -> list[int]:
    return [int(item["title"].split()[-1]) for item in response.json()["items"]]


# --- whose list


def test_the_session_gets_its_own_list(signed_in: Client) -> None:
    response = signed_in.get(URL, {"n": 5})
    body = response.json()
    assert (response.status_code, body["placement"], body["rung"]) == (200, "for_you", "personal")
    assert len(body["items"]) == 5 and all(number % 2 == 0 for number in numbers(response))


def test_somebody_new_gets_what_is_popular(client: Client, products: list[Product]) -> None:
    response = client.get(URL, {"n": 3})
    assert (response.json()["rung"], numbers(response)) == ("popular", [0, 1, 2])


def test_an_app_with_a_key_names_the_visitor(client: Client, household: Visitor, key: dict[str, str]) -> None:
    by_visitor = client.get(URL, {"visitor": str(household.key)}, **key)
    by_user = client.get(URL, {"user": household.user_id}, **key)
    assert by_visitor.json()["rung"] == by_user.json()["rung"] == "personal"
    assert numbers(by_visitor) == numbers(by_user)


def test_an_app_that_names_nobody_gets_nobodys_list(signed_in: Client, key: dict[str, str]) -> None:
    assert signed_in.get(URL, **key).json()["rung"] == "popular"


@pytest.mark.parametrize("name", ["visitor", "user"])
def test_naming_a_visitor_without_a_key_is_refused(signed_in: Client, household: Visitor, name: str) -> None:
    value = str(household.key) if name == "visitor" else household.user_id
    assert signed_in.get(URL, {name: value}).status_code == 403


@pytest.mark.parametrize("secret", ["", "wrong", "a.b", "\u00e9\u00e9", "x" * 5_000])
def test_an_unknown_key_is_refused(client: Client, products: list[Product], secret: str) -> None:
    response = client.get(URL, HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Api-Key"


def test_a_revoked_key_is_refused(client: Client, products: list[Product]) -> None:
    api_key, plaintext = create_key("old")
    api_key.revoked_at = timezone.now()
    api_key.save()
    assert client.get(URL, HTTP_AUTHORIZATION=f"Api-Key {plaintext}").status_code == 401


@pytest.mark.parametrize(
    "named", [{"visitor": "not-a-uuid"}, {"visitor": str(uuid.uuid4())}, {"user": "987654"}, {"user": "x\0y"}]
)
def test_naming_nobody_that_exists_is_a_client_error(
    client: Client, products: list[Product], key: dict[str, str], named: dict[str, str]
) -> None:
    assert client.get(URL, named, **key).status_code in (400, 404)


# --- what is asked


@pytest.mark.parametrize("placement", ["recently_viewed", "buy_again", "similar_items", "bought_together"])
def test_every_placement_answers(signed_in: Client, products: list[Product], placement: str) -> None:
    response = signed_in.get(URL, {"placement": placement, "item": products[4].pk})
    assert response.status_code == 200
    assert response.json()["placement"] == placement


def test_excluded_items_by_repetition_and_by_commas(client: Client, products: list[Product]) -> None:
    first, second, third = (product.pk for product in products[:3])
    response = client.get(URL, {"exclude": [f"{first},{second}", str(third)], "n": 3})
    assert numbers(response) == [3, 4, 5]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"n": "0"}, "n"),
        ({"n": "-1"}, "n"),
        ({"n": "101"}, "n"),
        ({"n": "many"}, "n"),
        ({"n": "9" * 5_000}, "n"),
        ({"placement": "front"}, "placement"),
        ({"placement": "similar_items"}, "item"),
        ({"item": "soap"}, "item"),
        ({"item": "1.5"}, "item"),
        ({"item": "9" * 30}, "item"),
        ({"item": "1\0"}, "item"),
        ({"exclude": "1,soap"}, "exclude"),
        ({"exclude": ",".join(map(str, range(501)))}, "exclude"),
    ],
)
def test_a_wrong_parameter_is_named(
    client: Client, products: list[Product], parameters: dict[str, str], field: str
) -> None:
    response = client.get(URL, parameters)
    assert response.status_code == 400
    assert (response.json()["code"], {name.split(".")[0] for name in response.json()["fields"]}) == ("invalid", {field})


def test_an_unknown_item_is_not_found(client: Client, products: list[Product]) -> None:
    assert client.get(URL, {"placement": "similar_items", "item": "987654321"}).status_code == 404


@pytest.mark.parametrize("key", ["987654321", "soap", "1%00", "9" * 40, "a/b", "%ED%A0%80"])
def test_similar_to_what_does_not_exist_is_not_found(client: Client, products: list[Product], key: str) -> None:
    assert client.get(f"/recommender/items/{key}/similar/").status_code == 404


def test_similar_items(client: Client, products: list[Product]) -> None:
    response = client.get(reverse("recommender:similar_items", args=[products[0].pk]), {"n": 3})
    assert response.json()["rung"] == "item"
    assert all(number % 2 == 0 for number in numbers(response))
    assert products[0].pk not in [item["id"] for item in response.json()["items"]]


def test_similar_to_a_deleted_item_is_not_found(client: Client, products: list[Product]) -> None:
    key = products[0].pk
    products[0].delete()
    assert client.get(reverse("recommender:similar_items", args=[key])).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_lists_are_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)(URL).status_code == 405


# --- the answer


def test_an_item_carries_what_a_page_needs(signed_in: Client, products: list[Product]) -> None:
    item = signed_in.get(URL, {"n": 20}).json()["items"][0]
    product = Product.objects.get(pk=item["id"])
    assert item["url"] == f"http://testserver{product.get_absolute_url()}"
    assert item["image_url"].startswith("http://testserver/")
    assert (item["title"], item["price_cents"], item["slot"]) == (product.name, product.price_cents, 1)
    assert item["price"] and isinstance(item["score"], float) and isinstance(item["reason"], str)


def test_a_personal_answer_is_stored_nowhere(signed_in: Client) -> None:
    assert signed_in.get(URL)["Cache-Control"] == "private, no-store"


def test_a_dead_database_table_gives_an_empty_list(client: Client, products: list[Product]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE recommender_itemembedding CASCADE")
    body = client.get(URL).json()
    assert (body["rung"], body["items"], body["token"]) == ("nothing", [], "")


# --- the schema


def test_the_schema_describes_these_endpoints_only(client: Client) -> None:
    response = client.get("/recommender/schema/", HTTP_ACCEPT="application/json")
    schema = json.loads(response.content)
    assert response.status_code == 200
    assert {"/recommender/recommendations/", "/recommender/items/{key}/similar/"} <= set(schema["paths"])
    assert all(path.startswith("/recommender/") for path in schema["paths"])
    names = {parameter["name"] for parameter in schema["paths"]["/recommender/recommendations/"]["get"]["parameters"]}
    assert names == {"placement", "n", "item", "exclude", "after", "visitor", "user"}


def test_the_schema_is_valid_and_without_warnings(capsys) -> None:
    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
    assert "warning" not in capsys.readouterr().err.lower()


def test_the_answer_is_what_the_schema_promises(signed_in: Client) -> None:
    import jsonschema

    schema = json.loads(signed_in.get("/recommender/schema/", HTTP_ACCEPT="application/json").content)
    promised = {"$ref": "#/components/schemas/Recommendations", "components": schema["components"]}
    jsonschema.validate(signed_in.get(URL).json(), promised)


# --- a page of lists

PAGE = "/recommender/recommendations/page/"


def test_the_lists_of_a_page_hold_no_item_twice(signed_in: Client) -> None:
    response = signed_in.get(PAGE, {"placement": ["for_you", "trending", "similar_items"], "n": 4})
    lists = response.json()["lists"]
    assert [found["placement"] for found in lists] == ["for_you", "trending"]  # no item to start from
    keys = [item["id"] for found in lists for item in found["items"]]
    assert len(keys) == len(set(keys)) == 8
    assert all(found["token"] for found in lists)


def test_a_page_starts_its_lists_from_items(client: Client, products: list[Product]) -> None:
    response = client.get(PAGE, {"placement": ["similar_items", "bought_together"], "item": products[0].pk, "n": 20})
    assert [found["rung"] for found in response.json()["lists"]] == ["item", "nothing"]  # its only pair is in the first
    assert client.get(PAGE, {"placement": "similar_items", "item": "987654321"}).status_code == 404


@pytest.mark.parametrize("parameters", [{}, {"placement": "front"}, {"placement": ["for_you"] * 11}])
def test_a_page_names_its_lists(client: Client, products: list[Product], parameters: dict[str, str]) -> None:
    response = client.get(PAGE, parameters)
    assert response.status_code == 400
    assert {name.split(".")[0] for name in response.json()["fields"]} == {"placement"}
