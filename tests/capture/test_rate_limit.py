from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from recommender.capture import ledger
from recommender.capture.rate_limit import address_of, charge_of, forget_empty_buckets, spend, turns
from recommender.models import Event, RateBucket, Visitor
from shop.models import Product

ADDRESS = "8.8.4.4"
URL = "/recommender/events/"


@pytest.fixture
def request_from(rf: RequestFactory) -> Any:
    return lambda address=ADDRESS, **headers: rf.post(URL, REMOTE_ADDR=address, headers=headers)


# --- whose address


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "address"),
    [
        (ADDRESS, "", 0, ADDRESS),
        (ADDRESS, "1.1.1.1", 0, ADDRESS),  # anybody can write the header
        ("10.0.0.3", "1.1.1.1", 0, ""),  # a proxy: one bucket for it would be one for everybody
        ("127.0.0.1", "", 0, ""),
        ("", "", 0, ""),
        ("unix:", "", 0, ""),
        ("10.0.0.3", "1.1.1.1, 8.8.8.8", 1, "8.8.8.8"),
        ("10.0.0.3", "1.1.1.1, 8.8.8.8, 10.0.0.2", 2, "8.8.8.8"),
        ("10.0.0.3", "8.8.8.8", 3, "8.8.8.8"),
        ("10.0.0.3", "nonsense", 1, ""),
        ("10.0.0.3", "1.1.1.1:443, 8.8.8.8:51234", 1, "8.8.8.8"),
        ("10.0.0.3", "[::ffff:8.8.8.8]:51234", 1, "8.8.8.8"),
        ("10.0.0.3", "[::ffff:8.8.8.8]", 1, "8.8.8.8"),
        ("10.0.0.3", "", 1, "10.0.0.3"),
        ("::ffff:8.8.4.4", "", 0, ADDRESS),
    ],
)
def test_an_address_is_the_sender_s_or_none(
    request_from: Any, settings: Any, remote: str, forwarded: str, proxies: int, address: str
) -> None:
    settings.RECOMMENDER_PROXIES = proxies
    request: HttpRequest = request_from(remote, **({"x-forwarded-for": forwarded} if forwarded else {}))
    assert address_of(request) == address


def test_one_home_is_one_ipv6_network(request_from: Any) -> None:
    at_home = {address_of(request_from(f"2a00:1450:4001:81b::{host:x}")) for host in range(20)}
    assert len(at_home) == 1
    assert at_home != {address_of(request_from("2a00:1450:4001:81c::1"))}


# --- how much


def test_a_minute_s_worth_passes_and_then_a_wait_is_named(request_from: Any, visitor: Visitor, settings: Any) -> None:
    settings.RECOMMENDER_VISITOR_EVENTS_PER_MINUTE = 60
    charge = charge_of(request_from(), visitor.key, 20)
    assert [spend(charge) for _ in range(3)] == [0, 0, 0]
    assert 18 <= spend(charge) <= 20
    RateBucket.objects.update(empty_at=timezone.now() + timedelta(seconds=30))
    assert spend(charge) == 0


def test_visitors_behind_one_address_share_its_limit_and_others_do_not(
    request_from: Any, db: None, settings: Any
) -> None:
    settings.RECOMMENDER_ADDRESS_EVENTS_PER_MINUTE = 60
    waits = [spend(charge_of(request_from(), uuid4(), 30)) for _ in range(3)]
    assert waits[:2] == [0, 0] and waits[2] > 0
    assert spend(charge_of(request_from("1.1.1.1"), uuid4(), 30)) == 0


def test_a_batch_that_is_larger_than_the_limit_is_not_refused_for_ever(
    request_from: Any, visitor: Visitor, settings: Any
) -> None:
    settings.RECOMMENDER_VISITOR_EVENTS_PER_MINUTE = 60
    assert spend(charge_of(request_from(), visitor.key, 500)) == 0
    assert spend(charge_of(request_from(), visitor.key, 1)) > 0


def test_whoever_shares_a_bucket_with_somebody_before_comes_a_statement_later(request_from: Any) -> None:
    anna, berta = uuid4(), uuid4()
    senders = [(anna, ADDRESS), (berta, "1.1.1.1"), (None, ""), (anna, ""), (uuid4(), "1.1.1.1"), (berta, "8.8.8.8")]
    charges = [charge_of(request_from(address), key, 1) for key, address in senders]
    assert list(turns([*charges, None])) == [[0, 1, 2, 6], [3, 4, 5]]


# --- what is kept of it


def test_no_address_is_stored_and_the_hash_goes_when_the_bucket_is_empty(request_from: Any, visitor: Visitor) -> None:
    spend(charge_of(request_from(), visitor.key, 300))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(bucket::text, ',') FROM {RateBucket._meta.db_table} AS bucket")
        assert ADDRESS not in cursor.fetchone()[0]
    assert forget_empty_buckets() == 0
    RateBucket.objects.update(empty_at=timezone.now() - timedelta(seconds=1))
    assert forget_empty_buckets() == 2


def test_the_hash_of_an_address_changes_every_day(
    request_from: Any, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend(charge_of(request_from(), None, 1))
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    spend(charge_of(request_from(), None, 1))
    assert RateBucket.objects.count() == 2


# --- at the endpoint


def post(client: Client, product: Product, rows: int, address: str = ADDRESS) -> Any:
    return client.post(
        URL,
        {"events": [{"item": product.pk, "kind": "view"}] * rows},
        content_type="application/json",
        REMOTE_ADDR=address,
    )


def test_too_much_is_answered_by_429_and_nothing_of_it_stored(client: Client, product: Product, settings: Any) -> None:
    settings.RECOMMENDER_ADDRESS_EVENTS_PER_MINUTE = 60
    assert post(client, product, 50).status_code == 202
    refused = post(client, product, 50)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_fast")
    assert 30 < int(refused["Retry-After"]) <= 40
    assert Event.objects.count() == 50


def test_what_comes_at_an_inhuman_rate_is_kept_with_a_doubt(client: Client, product: Product, settings: Any) -> None:
    settings.RECOMMENDER_VISITOR_EVENTS_PER_MINUTE = 60
    for _ in range(4):  # the first makes the visitor, and is on nobody's account yet
        post(client, product, 19)
    assert list(Event.objects.order_by("id").values_list("doubt", flat=True)) == [0] * 38 + [Event.Doubt.RATE] * 38


def test_seen_slots_alone_are_charged_too(client: Client, product: Product, settings: Any) -> None:
    settings.RECOMMENDER_VISITOR_EVENTS_PER_MINUTE = 60
    post(client, product, 1)
    statuses = [
        client.post(URL, {"events": [], "impressions": [{}] * 25}, content_type="application/json").status_code
        for _ in range(3)
    ]
    assert statuses == [202, 202, 429]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_shared", [False, True], ids=["one visitor", "one address"])
def test_the_limit_holds_exactly_under_100_parallel_requests(product: Product, settings: Any, is_shared: bool) -> None:
    """10 s an event, so that nothing drains while the test runs; and what is refused leaves no row and no entry."""
    limit, other = ("ADDRESS", "VISITOR") if is_shared else ("VISITOR", "ADDRESS")
    setattr(settings, f"RECOMMENDER_{limit}_EVENTS_PER_MINUTE", 6)
    setattr(settings, f"RECOMMENDER_{other}_EVENTS_PER_MINUTE", 100_000)
    start = Barrier(25)
    visitors = [Client() for _ in range(25 if is_shared else 1)]
    for visitor in visitors:
        post(visitor, product, 1, address="127.0.0.1")  # somebody new, from nowhere: costs nothing

    def ask(number: int) -> list[int]:
        client = Client()
        client.cookies = visitors[number % len(visitors)].cookies
        try:
            start.wait()
            return [post(client, product, 1).status_code for _ in range(4)]
        finally:
            connection.close()

    with ThreadPoolExecutor(25) as senders:
        statuses = [status for answered in senders.map(ask, range(25)) for status in answered]
    assert (statuses.count(202), statuses.count(429)) == (6, 94)
    assert Event.objects.count() == 6 + len(visitors)
    (line,) = ledger.lines()
    assert (line.received, line.stored, line.difference) == (6 + len(visitors), 6 + len(visitors), 0)
