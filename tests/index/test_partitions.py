import numpy as np
import pytest
from django.db import connection, transaction

from recommender.index import partitions
from recommender.index.nearest import nearest
from recommender.index.partitions import build_hnsw, hnsw_memory_mb
from tests.tiny_tables import DIM
from tests.worlds import make_products, write_tiny_version

pytestmark = pytest.mark.django_db

TERABYTE_MB = 1_000_000


def test_a_build_gets_the_memory_of_its_items() -> None:
    least, most = partitions.HNSW_MEMORY_MB
    assert hnsw_memory_mb(1_000, 194) == least
    assert hnsw_memory_mb(1_000_000, 194) == 1_388
    assert hnsw_memory_mb(10**9, 194) == most


def test_an_index_is_built_where_processes_cannot_share_that_much(settings, monkeypatch) -> None:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = 10**9
    products = make_products(200)
    version = write_tiny_version(products)
    monkeypatch.setattr(partitions, "HNSW_MEMORY_MB", (TERABYTE_MB, TERABYTE_MB))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_maintenance_workers = 2")
        build_hnsw(version.pk, DIM)
        cursor.execute("SELECT current_setting('max_parallel_maintenance_workers')")
        assert cursor.fetchone()[0] == "0", "there was room for a terabyte"
    version.has_ann_index = True
    found = nearest(version, np.eye(DIM, dtype=np.float32)[0], 5)
    assert {key for key, _ in found} <= {product.pk for product in products[::2]} and len(found) == 5
