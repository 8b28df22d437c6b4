import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from recommender.api_keys import create_key
from recommender.capture import joins
from recommender.capture.own_page import is_own_page
from recommender.capture.visitor import words_of
from recommender.conf import conf
from recommender.models import Event, QuarantinedEvent, Visitor, VisitorJoin
from shop.models import Product

URL = "/recommender/events/"

ALL = {"received": 0, "stored": 0, "duplicates": 0, "spilled": 0, "quarantined": [], "refused": []}

Post = Callable[..., Any]


@pytest.fixture
def post(client: Client) -> Post:
    def send(body: object, content_type: str = "application/json", url: str = URL, **headers: str) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(url, data, content_type=content_type, headers=headers)

    return send


def view_of(product: Product, **more: object) -> dict[str, object]:
    return {"item": product.pk, "kind": "view", **more}


# --- what is taken


def test_a_batch_is_stored_and_counted(post: Post, products: list[Product]) -> None:
    response = post({"events": [view_of(product) for product in products]})
    assert response.status_code == 202
    assert response.json() == ALL | {"received": 3, "stored": 3}
    assert {event.source for event in Event.objects.all()} == {Event.Source.BEACON}
    assert Visitor.objects.count() == 1


def test_a_beacon_comes_as_plain_text(post: Post, product: Product) -> None:
    assert post({"events": [view_of(product)]}, content_type="text/plain;charset=UTF-8").status_code == 202


def test_the_browser_is_known_again(post: Post, product: Product) -> None:
    cookie = post({"events": [view_of(product)]}).cookies[conf.VISITOR_COOKIE]
    assert cookie.value
    assert not post({"events": [view_of(product)]}).cookies
    assert Visitor.objects.get().events.count() == 2


def test_an_account_posts_to_its_own_history(client: Client, post: Post, product: Product) -> None:
    user = User.objects.create_user("household-1", password="demo")
    client.force_login(user)
    post({"events": [view_of(product)]})
    assert Event.objects.get().visitor.user == user


def test_invalid_rows_are_refused_one_by_one_and_valid_ones_stored(post: Post, product: Product) -> None:
    rows = [view_of(product), view_of(product, item="\0"), view_of(product, kind="look"), view_of(product)]
    response = post({"events": rows})
    assert response.status_code == 202
    body = response.json()
    assert (body["received"], body["stored"]) == (4, 2)
    assert [(row["index"], row["code"]) for row in body["quarantined"]] == [(1, "unknown_item"), (2, "unknown_kind")]
    assert all(row["reason"] for row in body["quarantined"])


def test_a_batch_without_a_valid_row_makes_no_visitor(post: Post, product: Product) -> None:
    response = post({"events": [view_of(product, item="no key")]})
    assert response.status_code == 202
    assert response.json()["quarantined"][0]["code"] == "unknown_item"
    assert QuarantinedEvent.objects.get().visitor is None
    assert not Visitor.objects.exists()


def test_events_of_another_account_s_page_are_refused_whole(post: Post, product: Product, client: Client) -> None:
    first, second = (User.objects.create(username=name) for name in ("first", "second"))
    body = {"events": [view_of(product)], "who": words_of(first.pk)[0]}
    for user in (None, second):
        client.logout()
        if user is not None:
            client.force_login(user)
        response = post(body)
        assert (response.status_code, response.json()["code"]) == (403, "other_account")
    for said in ([], {}, 1):
        assert post(body | {"who": said}).status_code == (403 if said else 202)
    assert not Visitor.objects.filter(user=first).exists()
    client.force_login(first)
    assert post(body).json()["stored"] == 1
    rotated = {"SECRET_KEY": "another" * 10, "SECRET_KEY_FALLBACKS": [django_settings.SECRET_KEY]}
    with override_settings(**rotated):
        client.force_login(first)
        assert post(body).json()["stored"] == 1  # of a page that was made before the key was rotated
    assert Visitor.objects.get(user=first).events.count() == 2


def test_an_empty_batch_is_fine(post: Post, db: None) -> None:
    assert post({"events": []}).json() == ALL


def test_a_duplicate_is_stored_once_within_a_post_across_posts_and_across_visitors(
    post: Post, product: Product
) -> None:
    row = view_of(product, id=str(uuid7()))
    assert post({"events": [row, row]}).json() == ALL | {"received": 2, "stored": 1, "duplicates": 1}
    assert post({"events": [row]}).json()["duplicates"] == 1
    other = Client().post(URL, {"events": [row]}, content_type="application/json")
    assert (other.status_code, other.json()["duplicates"]) == (202, 1)
    assert Event.objects.count() == 1


def test_a_retry_with_a_corrected_time_is_the_same_event(post: Post, product: Product) -> None:
    row = view_of(product, id=str(uuid7()))
    for hours in (1, 2, 3):
        post({"events": [{**row, "at": (timezone.now() - timedelta(hours=hours)).isoformat()}]})
    assert Event.objects.count() == 1


def test_a_browser_with_a_wrong_clock_is_understood(post: Post, product: Product) -> None:
    slow = timedelta(days=800)
    sent = timezone.now() - slow
    body = {"events": [view_of(product, at=(sent - timedelta(minutes=5)).isoformat())], "sent_at": sent.isoformat()}
    assert post(body).json()["stored"] == 1
    assert abs(timezone.now() - Event.objects.get().at - timedelta(minutes=5)) < timedelta(seconds=10)


def test_a_browser_cannot_forge_purchases(post: Post, product: Product) -> None:
    response = post({"events": [view_of(product), view_of(product, kind="purchase"), view_of(product, kind="cart")]})
    assert [row["code"] for row in response.json()["refused"]] == ["forbidden_kind"]
    assert set(Event.objects.values_list("kind", flat=True)) == {Event.Kind.VIEW, Event.Kind.CART}


def test_an_event_is_not_lost_when_a_login_elsewhere_takes_its_visitor(post: Post, product: Product) -> None:
    """The browser does not know yet that its visitor went to the account, an hour ago."""
    post({"events": [view_of(product)]})
    account = Visitor.objects.create(user=User.objects.create(username="household-1"))
    joins.join_visitors(Visitor.objects.get(user=None), account)
    VisitorJoin.objects.update(joined_at=timezone.now() - timedelta(hours=1))
    response = post({"events": [view_of(product)]})
    assert response.json()["stored"] == 1
    assert Event.objects.count() == 2
    assert Visitor.objects.get(user=None).key == UUID(response.cookies[conf.VISITOR_COOKIE].value.split(":")[0])


# --- what is refused as a whole


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "bad_json"),
        (" ", 400, "bad_json"),
        (b"\xff\xfe\xfd", 400, "bad_json"),
        ("[" * 100_000, 400, "bad_json"),
        ([], 400, "bad_shape"),
        ({"events": {}}, 400, "bad_shape"),
        ({"events": None}, 400, "bad_shape"),
        ("null", 400, "bad_shape"),
        ({"events": [], "sent_at": "noon"}, 400, "bad_sent_at"),
        ({"events": [], "sent_at": 1}, 400, "bad_sent_at"),
        ({"events": [{}] * 501}, 400, "too_many_events"),
        ({"events": [{"item": 1, "kind": "view"}] * 10_000}, 413, "too_large"),
        (" " * 300_000 + "{}", 413, "too_large"),
    ],
)
def test_a_broken_batch_is_a_clear_error(post: Post, db: None, body: object, status: int, code: str) -> None:
    response = post(body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["reason"]


def test_the_limits_are_named(post: Post, db: None) -> None:
    assert "500" in post({"events": [{}] * 501}).json()["reason"]
    too_large = post({"events": [{"item": 1, "kind": "view"}] * 10_000}).json()["reason"]
    assert "500" in too_large and "262144" in too_large


def test_one_absurd_number_refuses_its_own_row_only(post: Post, product: Product) -> None:
    body = '{"events": [{"item": %d, "kind": "view"}, {"item": %d, "kind": "view", "quantity": %s}]}'
    response = post(body % (product.pk, product.pk, "9" * 10_000))
    assert response.json()["stored"] == 1
    assert response.json()["quarantined"][0]["code"] == "bad_quantity"


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_a_form_of_another_page_is_no_batch(post: Post, db: None, content_type: str) -> None:
    assert post({"events": []}, content_type=content_type).status_code == 415


def test_only_posts_are_taken(client: Client, db: None) -> None:
    response = client.get(URL)
    assert (response.status_code, response["Allow"]) == (405, "POST")


# --- whose page


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),
        ({"origin": "http://testserver"}, True),
        ({"origin": "http://testserver", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),  # Referrer-Policy: no-referrer
        ({"origin": "https://app.example.com", "sec-fetch-site": "same-site"}, True),
        ({"origin": "https://www.partner.org"}, True),
        ({"origin": "null"}, False),
        ({"origin": "https://testserver"}, False),
        ({"origin": "http://testserver.evil.net"}, False),
        ({"origin": "http://evil.net", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://app.example.com"}, False),
        ({"origin": "https://evilexample.com"}, False),
        ({"origin": "https://partner.org"}, False),
        ({"origin": "http://[broken"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_events_come_from_pages_of_the_shop_only(
    rf: RequestFactory, settings: Any, headers: dict[str, str], is_own: bool
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com", "https://www.partner.org"]
    assert is_own_page(rf.post(URL, headers=headers)) is is_own


def test_a_page_of_somebody_else_is_refused(post: Post, product: Product) -> None:
    response = post({"events": [view_of(product)]}, origin="https://evil.net")
    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
    assert not Event.objects.exists()


def test_no_csrf_token_is_needed(product: Product) -> None:
    browser = Client(enforce_csrf_checks=True)
    response = browser.post(URL, {"events": [view_of(product)]}, content_type="application/json")
    assert response.status_code == 202


# --- apps with a key


@pytest.fixture
def key(db: None) -> str:
    return f"Api-Key {create_key('till', ['events'])[1]}"


def test_an_app_with_a_key_records_every_kind_for_the_visitor_that_it_names(
    post: Post, key: str, visitor: Visitor, product: Product
) -> None:
    rows = [view_of(product, kind=kind) for kind in ("view", "click", "cart", "purchase")]
    response = post({"events": rows}, url=f"{URL}?visitor={visitor.key}", authorization=key, origin="https://app.net")
    assert response.json()["stored"] == 4
    assert set(Event.objects.values_list("visitor", "source")) == {(visitor.pk, Event.Source.SHOP)}
    assert not response.cookies


def test_an_app_names_a_user_or_brings_a_visitor(post: Post, key: str, product: Product) -> None:
    user, own = User.objects.create(username="household-1"), uuid4()
    for named in (f"user={user.pk}", f"visitor={own}"):
        assert post({"events": [view_of(product)]}, url=f"{URL}?{named}", authorization=key).status_code == 202
    assert Event.objects.filter(visitor__user=user).count() == 1
    assert Event.objects.filter(visitor__key=own).count() == 1


@pytest.mark.parametrize("named", ["", "?user=0", "?visitor=x", "?user=1&visitor=x"])
def test_an_app_must_name_somebody(post: Post, key: str, product: Product, named: str) -> None:
    response = post({"events": [view_of(product)]}, url=URL + named, authorization=key)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_visitor")


def test_a_key_that_is_wrong_or_revoked_is_refused(post: Post, key: str, visitor: Visitor, product: Product) -> None:
    url = f"{URL}?visitor={visitor.key}"
    response = post({"events": [view_of(product)]}, url=url, authorization=key[:-1] + "~")
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Api-Key")
    assert not Event.objects.exists()


def test_nobody_names_a_visitor_without_a_key(post: Post, visitor: Visitor, product: Product) -> None:
    for named in (f"visitor={visitor.key}", "user=1"):
        response = post({"events": [view_of(product)]}, url=f"{URL}?{named}")
        assert (response.status_code, response.json()["code"]) == (403, "key_needed")
    assert not Event.objects.exists()


# --- whatever comes, nothing is lost and nothing breaks

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS: tuple[str, ...] = ("id", "item", "kind", "at", "quantity", "value_cents", "token")
replacements = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile=st.lists(replacements | anything, max_size=8), repeats=st.integers(0, 3))
def test_received_is_stored_and_duplicates_and_refused(
    client: Client, product: Product, hostile: list[Any], repeats: int
) -> None:
    """Rows in which any fields hold anything, and rows that are anything at all."""
    valid = view_of(product, at=timezone.now().isoformat(), quantity=2, value_cents=5, token="x")
    sent = [{**valid, "id": str(uuid7()), **row} if isinstance(row, dict) else row for row in hostile]
    sent += sent[:repeats]
    before = Event.objects.count()
    response = client.post(URL, json.dumps({"events": sent}), content_type="application/json")
    body = response.json()
    refused = {row["index"] for row in body["refused"] + body["quarantined"]}
    assert body["received"] == len(sent) == body["stored"] + body["duplicates"] + len(refused)
    assert response.status_code == 202
    assert Event.objects.count() - before == body["stored"]
    assert not [index for index in refused if hostile[index % max(len(hostile), 1)] == {}]  # nothing was replaced
