"""The next page of a list, and the list that the client already has."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone

from recommender.api_keys import create_key
from recommender.capture.impressions import claims_for
from recommender.models import Visitor
from recommender.tokens import read_impressions
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

URL = "/recommender/recommendations/"


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def visitor(products: list[Product]) -> Visitor:
    visitor = Visitor.objects.create(user=User.objects.create_user("household-1"))
    make_event(visitor, products[4], 1)
    return visitor


@pytest.fixture
def app() -> Client:
    return Client(headers={"authorization": f"Api-Key {create_key('mailer')[1]}"})


# --- pages


def test_pages_hold_everything_once(app: Client, visitor: Visitor, products: list[Product]) -> None:
    tokens: list[str] = []
    seen: list[int] = []
    while page := app.get(URL, {"user": visitor.user_id, "n": 6, "after": tokens}).json()["items"]:
        seen += [item["id"] for item in page]
        tokens.append(app.get(URL, {"user": visitor.user_id, "n": 6, "after": tokens}).json()["token"])
    assert len(tokens) == 4 and sorted(seen) == sorted(product.pk for product in products)


def test_an_event_between_two_pages_repeats_nothing(app: Client, visitor: Visitor, products: list[Product]) -> None:
    first = app.get(URL, {"user": visitor.user_id, "n": 6}).json()
    make_event(visitor, products[5], 1)
    second = app.get(URL, {"user": visitor.user_id, "n": 14, "after": first["token"]}).json()
    ids = [item["id"] for found in (first, second) for item in found["items"]]
    assert len(ids) == len(set(ids)) == 20
    assert [item["slot"] for item in second["items"]] == list(range(1, 15))


def test_a_token_of_another_list_keeps_a_page_free_of_repetition(app: Client, visitor: Visitor) -> None:
    habits = app.get(URL, {"user": visitor.user_id, "placement": "recently_viewed"}).json()
    shown = {item["id"] for item in habits["items"]}
    rest = app.get(URL, {"user": visitor.user_id, "after": habits["token"], "n": 100}).json()["items"]
    assert shown and rest and not shown & {item["id"] for item in rest}


@pytest.mark.parametrize("after", ["", "soap", ["x"] * 21])
def test_what_is_no_token_of_this_shop_is_refused(app: Client, visitor: Visitor, after: str) -> None:
    answer = app.get(URL, {"user": visitor.user_id, "after": after})
    assert answer.status_code == 400 and {name.split(".")[0] for name in answer.json()["fields"]} == {"after"}


# --- ETag


def test_the_same_list_is_not_sent_twice(app: Client, visitor: Visitor) -> None:
    first = app.get(URL, {"user": visitor.user_id})
    again = app.get(URL, {"user": visitor.user_id}, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"
    claims = claims_for(visitor, first.json()["token"])  # the client goes on with the token that it has
    assert claims and len(claims["i"]) == len(first.json()["items"])


def test_another_list_has_another_tag(app: Client, visitor: Visitor, products: list[Product]) -> None:
    def tag(**question: object) -> str:
        return str(app.get(URL, {"user": visitor.user_id, **question})["ETag"])

    before = tag()
    assert tag(n=3) != before and tag(placement="recently_viewed") != before
    stranger = Visitor.objects.create()  # the same items would be another's token
    assert app.get(URL, {"visitor": str(stranger.key)})["ETag"] != app.get(URL)["ETag"]
    Product.objects.filter(pk=products[6].pk).update(price_cents=9_999)
    assert tag() != before
    changed = tag()
    make_event(visitor, products[3], 1)
    assert tag() != changed


@override_settings(RECOMMENDER_IMPRESSION_TOKEN_AGE_DAYS=2)
def test_after_a_304_the_token_is_good_for_half_of_its_life(
    app: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = timezone.now().replace(hour=0, minute=0, second=0).timestamp()  # a day is half of the token's life
    clock = [begin]
    monkeypatch.setattr("time.time", lambda: clock[0])
    first = app.get(URL, {"user": visitor.user_id})
    clock[0] += 86_399
    assert app.get(URL, {"user": visitor.user_id}, headers={"if-none-match": first["ETag"]}).status_code == 304
    clock[0] += 86_399
    assert read_impressions(first.json()["token"]) is not None  # a day later, all but two seconds, still good
    assert app.get(URL, {"user": visitor.user_id}, headers={"if-none-match": first["ETag"]}).status_code == 200
    clock[0] += timedelta(days=1).total_seconds()
    assert read_impressions(first.json()["token"]) is None


def test_a_browser_that_is_shared_keeps_no_list(visitor: Visitor, client: Client) -> None:
    client.force_login(visitor.user)
    answer = client.get(URL)
    assert answer["Cache-Control"] == "private, no-store" and "Cookie" in answer["Vary"]
