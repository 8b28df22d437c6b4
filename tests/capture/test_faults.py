"""Short forms of `python -m benchmarks.faults`: a Postgres of its own is killed and frozen, a disk filled."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from django.db import connection
from uuid_utils.compat import uuid7

from benchmarks import faults
from benchmarks.capture_server import CaptureShop
from recommender.capture import ledger
from recommender.capture.record import record_events
from recommender.models import Event, Visitor
from shop.models import Product


@pytest.fixture(scope="module")
def disk() -> Iterator[Path | None]:
    with faults.small_disk() as found:
        yield found


@pytest.fixture(scope="module")
def shop(disk: Path | None) -> Iterator[CaptureShop]:
    with CaptureShop(spill=disk) as running:
        yield running


@pytest.mark.slow
def test_no_acknowledged_event_is_lost_when_postgres_is_killed(shop: CaptureShop) -> None:
    found = faults.kill(shop, times=2, between_seconds=0.7)
    assert found.acknowledged > 0
    assert (found.lost, found.ledger_difference) == (0, 0)


@pytest.mark.slow
def test_a_page_does_not_wait_for_a_frozen_postgres(shop: CaptureShop) -> None:
    found = faults.freeze(shop, seconds=2)
    assert found.lost == 0
    assert found.frozen_slowest_ms < 2_000  # one page waits for CAPTURE_BUDGET_MS, the others for nothing
    assert found.frozen_p99_ms < 700


@pytest.mark.slow
def test_a_full_disk_is_no_acknowledgement(shop: CaptureShop, disk: Path | None) -> None:
    if disk is None:
        pytest.skip("only root can make a small disk")
    found = faults.fill(shop)
    assert found.refused > 0
    assert (found.lost, found.ledger_difference) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_sixteen_senders_of_the_same_ids_in_any_order_store_each_once(product: Product) -> None:
    rows = [{"id": str(uuid7()), "item": product.pk, "kind": "view"} for _ in range(500)]
    visitors = [Visitor.objects.create() for _ in range(16)]
    start = Barrier(len(visitors))

    def send(number: int) -> Any:
        shuffled = [rows[place] for place in np.random.default_rng(number).permutation(len(rows))]
        try:
            start.wait()
            # In batches of 50, in threads: some share a commit, some run against each other.
            return [
                record_events(visitors[number], shuffled[first : first + 50], source=Event.Source.SHOP)
                for first in range(0, 500, 50)
            ]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(visitors)) as senders:
        outcomes = [outcome for sent in senders.map(send, range(len(visitors))) for outcome in sent]
    assert Event.objects.count() == 500
    assert sum(outcome.stored for outcome in outcomes) == 500
    assert sum(outcome.duplicates for outcome in outcomes) == 15 * 500
    (line,) = ledger.lines()
    assert (line.received, line.stored, line.duplicate, line.difference) == (8_000, 500, 7_500, 0)
