import hashlib

import numpy as np
import pytest
from django.db import connection

from recommender.exceptions import DimensionMismatch, InvalidVectors
from recommender.index.nearest import item_vectors
from recommender.index.partitions import partition_name
from recommender.index.writer import write_version
from recommender.models import ItemEmbedding, ItemPair, ModelVersion, Visitor, VisitorEmbedding
from tests.tiny_tables import DIM, group_vectors, tiny_table
from tests.worlds import PASSED, make_products, write_tiny_version

pytestmark = pytest.mark.django_db


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


def index_methods(version: ModelVersion) -> set[str]:
    with connection.cursor() as cursor:
        names = connection.introspection.get_constraints(cursor, partition_name(ItemEmbedding, version.pk)).values()
    return {constraint["type"] for constraint in names if constraint["index"]}


def test_every_vector_comes_back_as_it_was_given() -> None:
    products = make_products(5)
    version = write_tiny_version(products)
    given = group_vectors(5, 2)
    for product, vector in zip(products, given, strict=True):
        assert item_vectors(version, [product.pk])[0] == pytest.approx(vector, abs=1e-3)  # float16


def test_pairs_visitors_and_artifacts_are_written() -> None:
    products, visitors = make_products(5), [Visitor.objects.create() for _ in range(3)]
    version = write_tiny_version(products, visitors)
    assert VisitorEmbedding.objects.filter(version=version).count() == 3
    pair = ItemPair.objects.get(version=version, item=products[0])
    assert (pair.other_id, pair.score, pair.support) == (products[2].pk, pytest.approx(1.0), 7)
    artifact = version.artifacts.get()
    assert artifact.sha256 == hashlib.sha256(bytes(artifact.content)).hexdigest()
    assert (version.dim, version.item_count, version.visitor_count) == (DIM, 5, 3)


def test_a_written_version_is_not_live() -> None:
    assert not write_tiny_version(make_products(3)).is_live


def test_a_second_attempt_at_a_run_gets_the_first_version_back() -> None:
    products = make_products(3)
    version = write_tiny_version(products)
    again = write_version(version.run, tiny_table(products), PASSED)
    assert again == version
    assert ItemEmbedding.objects.filter(version=version).count() == 3


def test_a_visitor_that_vanished_during_training_is_left_out() -> None:
    visitors = [Visitor.objects.create() for _ in range(2)]
    gone = visitors[0].pk
    Visitor.objects.filter(pk=gone).delete()
    version = write_tiny_version(make_products(3), visitors)
    assert list(VisitorEmbedding.objects.filter(version=version).values_list("visitor", flat=True)) == [visitors[1].pk]


def test_deleting_a_visitor_deletes_its_vectors() -> None:
    visitor = Visitor.objects.create()
    version = write_tiny_version(make_products(3), [visitor])
    visitor.delete()
    assert not VisitorEmbedding.objects.filter(version=version).exists()


@pytest.mark.parametrize(("min_items", "expected"), [(3, True), (4, False)])
def test_an_index_is_built_from_the_set_size_on(settings, min_items: int, expected: bool) -> None:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = min_items
    version = write_tiny_version(make_products(3))
    assert version.has_ann_index is expected
    assert ("hnsw" in index_methods(version)) is expected


def test_the_version_alone_is_read() -> None:
    first, second = write_tiny_version(make_products(3)), write_tiny_version(make_products(3))
    text = plan(f"SELECT * FROM recommender_itemembedding WHERE version_id = {second.pk}")
    assert partition_name(ItemEmbedding, second.pk) in text
    assert partition_name(ItemEmbedding, first.pk) not in text


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_vectors_that_cannot_be_compared_are_refused(bad: float) -> None:
    vectors = group_vectors(3, 2)
    vectors[1] = bad
    with pytest.raises(InvalidVectors):
        write_tiny_version(make_products(3), vector=vectors)
    assert not ModelVersion.objects.exists()


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DimensionMismatch):
        write_tiny_version(make_products(3), popularity=np.ones(2, dtype=np.float32))


def test_an_empty_table_is_written() -> None:
    version = write_tiny_version([])
    assert version.item_count == 0
