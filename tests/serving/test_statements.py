"""How often a list asks the database, counted on whichever connection it asks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db.backends.signals import connection_created
from django.test import Client
from django.utils import timezone

from recommender.api_keys import REMEMBERED_SECONDS, create_key
from recommender.models import ApiKey, Visitor
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def statements() -> Iterator[list[str]]:
    """All but the settings that a connection gets once, when it is made: tests make one for each block of reads."""
    found: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        if "set_config" not in sql:
            found.append(sql)
        return execute(sql, *arguments)

    def watch(connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(watch)
    try:
        yield found
    finally:
        connection_created.disconnect(watch)


@pytest.fixture
def visitor() -> Visitor:
    products = make_listed_products(20)
    made = Visitor.objects.create()
    for number in (4, 6, 9):
        make_event(made, products[number], days_ago=number)
    return made


@contextmanager
def clock_stopped() -> Iterator[None]:
    """What is remembered for a second stays remembered, however slow the machine is."""
    with patch("time.monotonic", return_value=time.monotonic()):
        yield


def count_of(placement: str, visitor: Visitor | None = None, **options: Any) -> int:
    query = Query(placement, visitor, 6, **options)
    with clock_stopped():
        assert recommend(query).entries
        with statements() as found:
            assert recommend(query).entries
    return len(found)


def test_a_personal_list_takes_three_statements(visitor: Visitor) -> None:
    """The history with its vectors, the candidates, and the items with what the reasons name."""
    assert count_of("for_you", visitor) <= 3


def test_what_needs_no_vector_takes_three(visitor: Visitor) -> None:
    assert count_of("buy_again", visitor) <= 3
    assert count_of("similar_items", None, items=(Product.objects.latest("pk").pk,)) <= 3


def test_what_is_the_same_for_everybody_takes_one(visitor: Visitor) -> None:
    assert count_of("for_you") <= 1


def test_the_api_asks_once_more_for_the_visitor(visitor: Visitor, client: Client) -> None:
    """The key is looked up once a second."""
    headers = {"authorization": f"Api-Key {create_key('app')[1]}"}
    url = f"/recommender/recommendations/?n=6&visitor={visitor.key}"
    with clock_stopped():
        assert client.get(url, headers=headers).json()["rung"] == "personal"
        with statements() as found:
            assert client.get(url, headers=headers).json()["rung"] == "personal"
    assert len(found) <= 4, found


def test_a_revoked_key_reads_lists_for_a_second_at_most(visitor: Visitor, client: Client) -> None:
    key, plaintext = create_key("app")
    headers = {"authorization": f"Api-Key {plaintext}"}
    url = f"/recommender/recommendations/?n=6&visitor={visitor.key}"
    assert client.get(url, headers=headers).status_code == 200
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    time.sleep(REMEMBERED_SECONDS)
    assert client.get(url, headers=headers).status_code == 401
