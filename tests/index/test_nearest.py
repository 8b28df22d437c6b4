from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from recommender.index.nearest import nearest
from recommender.index.planned import fetch
from recommender.index.reading import reading
from shop.models import Product
from tests.tiny_tables import DIM, group_vectors
from tests.worlds import make_products, publish_tiny_version

pytestmark = pytest.mark.django_db

AXIS_0 = np.eye(DIM, dtype=np.float32)[0]


@pytest.fixture(params=["exact", "hnsw"])
def search(request: pytest.FixtureRequest, settings) -> str:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = 1 if request.param == "hnsw" else 1_000_000
    return str(request.param)


def test_the_nearest_come_first_with_their_cosine(search: str) -> None:
    products = make_products(10)
    version = publish_tiny_version(products)
    found = nearest(version, AXIS_0, 5)
    cosines = group_vectors(10, 2) @ AXIS_0
    best = np.argsort(-cosines)[:5]
    assert [item_id for item_id, _ in found] == [products[row].pk for row in best]
    assert [cosine for _, cosine in found] == pytest.approx(cosines[best].tolist(), abs=2e-3)


def test_only_available_items_are_found(search: str) -> None:
    products = make_products(10)
    version = publish_tiny_version(products)
    Product.objects.filter(pk__in=[product.pk for product in products[:4]]).update(stock=0)
    products[4].delete()
    found = {item_id for item_id, _ in nearest(version, AXIS_0, 10)}
    assert found == {product.pk for product in products[5:]} - {None}


def test_excluded_items_are_not_found(search: str) -> None:
    products = make_products(6)
    version = publish_tiny_version(products)
    found = {item_id for item_id, _ in nearest(version, AXIS_0, 6, exclude=[products[0].pk, products[2].pk])}
    assert found == {products[row].pk for row in (1, 3, 4, 5)}


def test_a_filter_that_empties_the_index_scan_is_searched_exactly(settings) -> None:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = 1
    settings.RECOMMENDER_HNSW_EF_SEARCH = 10
    products = make_products(600)
    version = publish_tiny_version(products, groups=2)
    # Only items of the other group are left: far from the query, beyond what a short index scan looks at.
    far = [product.pk for product in products[1::2]][:15]
    Product.objects.exclude(pk__in=far).update(is_active=False)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL hnsw.max_scan_tuples = 20; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"
        )
        assert {item_id for item_id, _ in nearest(version, AXIS_0, 15)} == set(far)


def test_the_index_is_used(settings) -> None:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = 1
    version = publish_tiny_version(make_products(50))
    asked: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        nearest(version, AXIS_0, 5)
    statement, parameters = next(each for each in asked if "<=>" in each[0])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        assert "vector_idx" in str(fetch(f"EXPLAIN {statement}", parameters))


def test_the_catalogues_own_ordering_is_not_sorted_for_every_list() -> None:
    assert Product._meta.ordering
    version = publish_tiny_version(make_products(5))
    with CaptureQueriesContext(connection) as queries:
        nearest(version, AXIS_0, 5)
    statement = next(query["sql"] for query in queries if "<=>" in query["sql"])
    assert statement.count("ORDER BY") == 1


def test_a_catalogue_that_offers_nothing_is_searched_without_a_statement(monkeypatch) -> None:
    version = publish_tiny_version(make_products(5))
    monkeypatch.setattr("recommender.index.nearest.available_items", lambda within: Product.objects.none())
    assert nearest(version, AXIS_0, 5) == []


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def test_limits_of_reading_end_with_the_block_inside_a_transaction() -> None:
    before = setting("statement_timeout"), setting("lock_timeout")
    with transaction.atomic():
        with reading(123):
            assert setting("statement_timeout") == "123ms"
        assert (setting("statement_timeout"), setting("lock_timeout")) == before


def test_a_failed_read_does_not_poison_the_transaction_around_it() -> None:
    with transaction.atomic():
        with pytest.raises(Exception, match="does not exist"), reading(100), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        assert make_products(1)
