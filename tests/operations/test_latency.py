"""The dashboard says how long lists take, from the histogram that Prometheus reads."""

import math

import pytest
from django.test import Client

from recommender.operations.latency import list_latency, quantile
from recommender.telemetry import LIST_SECONDS, count_list

BUCKETS = [(0.01, 10), (0.02, 30), (0.05, 40), (math.inf, 40)]


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    LIST_SECONDS.clear()


@pytest.mark.parametrize(("share", "seconds"), [(0.25, 0.01), (0.5, 0.015), (0.75, 0.02), (1.0, 0.05)])
def test_a_quantile_lies_evenly_in_its_bucket(share: float, seconds: float) -> None:
    assert quantile(BUCKETS, share) == pytest.approx(seconds)


def test_beyond_the_last_bound_nothing_is_known() -> None:
    assert quantile([(0.01, 0), (1.0, 1), (math.inf, 10)], 0.95) == 1.0


def test_all_placements_and_rungs_count(admin_client: Client) -> None:
    assert list_latency() is None
    assert "No list was made yet." in admin_client.get("/admin/recommender/modelversion/dashboard/").content.decode()
    for place in range(20):
        count_list("for_you" if place % 2 else "similar", "personal", 12, 0.008)
    count_list("for_you", "popular", 12, 0.18)
    found = list_latency()
    assert found is not None
    assert found.lists == 21
    assert 5 < found.median_ms < 10
    assert found.p95_ms <= 10
    assert "8 ms" in admin_client.get("/admin/recommender/modelversion/dashboard/").content.decode()
