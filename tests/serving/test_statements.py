"""How often a list asks the database, counted on whichever connection it asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.backends.signals import connection_created
from django.test import Client

from recommender.api_keys import create_key
from recommender.models import Visitor
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


def count_of(placement: str, visitor: Visitor | None = None, **options: Any) -> int:
    """Of several lists in a row the fewest: what every list needs is remembered for a second or more."""
    counts: list[int] = []
    for _ in range(4):
        with statements() as found:
            assert recommend(Query(placement, visitor, 6, **options)).entries
        counts.append(len(found))
    return min(counts)


def test_a_personal_list_takes_four_statements(visitor: Visitor) -> None:
    """The history with its vectors, the candidates, the items, and what the reasons name."""
    assert count_of("for_you", visitor) <= 4


def test_what_needs_no_reasons_takes_three(visitor: Visitor) -> None:
    assert count_of("buy_again", visitor) <= 3
    assert count_of("similar_items", None, items=(Product.objects.latest("pk").pk,)) <= 3


def test_what_is_the_same_for_everybody_takes_one(visitor: Visitor) -> None:
    assert count_of("for_you") <= 1


def test_the_api_asks_twice_more_for_the_key_and_the_visitor(visitor: Visitor, client: Client) -> None:
    headers = {"authorization": f"Api-Key {create_key('app')[1]}"}
    url = f"/recommender/recommendations/?n=6&visitor={visitor.key}"
    counts: list[int] = []
    for _ in range(4):
        with statements() as found:
            assert client.get(url, headers=headers).json()["rung"] == "personal"
        counts.append(len(found))
    assert min(counts) <= 6, found
