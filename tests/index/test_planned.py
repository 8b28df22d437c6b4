"""The statements of a list that Postgres plans once."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import Value
from django.db.models.functions import Coalesce, Concat
from django.test.utils import CaptureQueriesContext

from recommender.index.connections import _connect
from recommender.index.nearest import compare
from recommender.index.planned import SEEN_BEFORE, fetch
from recommender.index.reading import reading
from recommender.models import Visitor
from recommender.serving.history import read_history
from shop.models import Product
from tests.index.test_nearest import AXIS_0
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db(transaction=True)
LISTS = 10


@pytest.fixture
def list_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One connection as lists have it, as this thread's."""
    made, page = _connect(), connections["default"]
    connections["default"] = made
    yield
    connections["default"] = page
    made.close()


def planned() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time")
        return [row[0] for row in cursor.fetchall()]


def test_history_and_candidates_are_planned_once_a_connection(list_connection: None) -> None:
    products = make_products(12)
    version = publish_tiny_version(products)
    visitors = [Visitor.objects.create() for _number in range(LISTS)]
    for number, visitor in enumerate(visitors):
        make_event(visitor, products[number], days_ago=1)
    for number, visitor in enumerate(visitors):
        history = read_history(visitor, version, 8)
        named = [products[0].pk] * (1 + number)  # of another length each time
        compare(version, history.vectors[0], nearest=5, popular=2, named=named, numbered=range(3), exclude=named)
    statements = planned()
    assert [sum(word in statement for statement in statements) for word in ("newest", "<=>")] == [1, 1]
    assert any(f"version_id = {version.pk}" in statement for statement in statements)


def test_what_is_another_statement_each_time_is_not_kept(list_connection: None) -> None:
    for number in range(LISTS):
        assert fetch(f"SELECT {number}, %s::int", [number]) == [(number, number)]
    assert planned() == []
    for number in range(SEEN_BEFORE + 1):
        assert fetch("SELECT %s::int", [number]) == [(number,)]
    assert len(planned()) == 1


def test_a_pages_own_connection_keeps_none() -> None:
    for _number in range(LISTS):
        fetch("SELECT %s::int", [1])
    assert planned() == []


def test_whatever_the_shop_compares_with_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    products = make_products(4)
    Product.objects.filter(pk=products[0].pk).update(brand="50 % off")
    version = publish_tiny_version(products)
    named = Product.objects.annotate(
        told=Concat(Coalesce("brand", Value("none")), Value(": "), Value("100 %s")), one=Value(None)
    )
    monkeypatch.setattr(
        "recommender.index.nearest.available_items", lambda within: named.filter(told__startswith="50 % off: 100 %")
    )
    assert [row.item_id for row in compare(version, AXIS_0, nearest=4)] == [products[0].pk]


def test_limits_of_time_and_the_log_of_statements_hold_for_them_too() -> None:
    with CaptureQueriesContext(connection) as queries:
        fetch("SELECT %s::int", [1])
    assert len(queries) == 1
    with pytest.raises(OperationalError, match="timeout"), reading(50):
        fetch("SELECT pg_sleep(%s)", [5.0])
