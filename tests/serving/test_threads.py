"""On busy cores, threads that share a small product wait for each other for longer than the product takes."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from recommender.models import ModelVersion
from recommender.serving.visitor_vector import _load, visitor_encoder
from tests.worlds import make_products, publish_tiny_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> ModelVersion:
    _load.cache_clear()
    return publish_tiny_version(make_products(4))


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_a_process_that_makes_lists_multiplies_in_the_thread_that_asks(version: ModelVersion) -> None:
    with threadpool_limits(2, user_api="blas"):
        visitor_encoder(version)
        assert blas_threads() == {1}


def test_a_shop_can_keep_its_threads(version: ModelVersion, settings) -> None:
    settings.RECOMMENDER_BLAS_THREADS = None
    with threadpool_limits(2, user_api="blas"):
        visitor_encoder(version)
        assert blas_threads() == {2}
