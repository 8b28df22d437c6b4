"""`python -m benchmarks.capture`: how fast events come in, as ratios of one run on one server.

Endpoint: the same posts to `events/`, to plain views that validate with a DRF serializer and store by bulk_create, and
to a view that reads nothing and commits one row, which is what Django and Postgres take at least. They are asked in
turns, so that a busy moment of the machine hits all alike; of all the rows that were acknowledged, so many must be in
the table at the end. Bulk: `load_events` against bulk_create and against COPY of the same rows, encoded beforehand,
into the same table.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.capture_client import post
from benchmarks.capture_server import EVENTS_URL, HOST, Browser, CaptureShop

RESULTS: Final = Path(__file__).parent / "results" / "capture.json"
BATCHES: Final = (1, 50)
LIMIT_URL: Final = "/limit/events/"
VIEWS: Final = {
    "ours": EVENTS_URL,
    "ours, behind all middleware": "/behind/events/",
    "DRF ModelSerializer": "/plain/events/",
    "DRF, items together": "/frugal/events/",
    "limit: commits one row": LIMIT_URL,
}
BULK_ROWS: Final = 200_000
ORM_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one view at one size of batch; CPU time is of one post, without the client's."""

    events_per_second: float
    p50_ms: float
    p99_ms: float
    web_cpu_ms: float
    postgres_cpu_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.web_cpu_ms + self.postgres_cpu_ms


Rounds = list[dict[str, Rate]]  # view → rate, measured one after the other


def endpoint(seconds: float, connections: int, rounds: int) -> tuple[dict[int, Rounds], int]:
    """(batch → rounds, events that were acknowledged and are missing)."""
    with CaptureShop(threads=connections) as shop:
        browsers = [Browser(shop) for _ in range(connections)]
        for browser in browsers:
            browser.post(browser.views(1))
        acknowledged, found = connections, dict[int, Rounds]()
        for batch in BATCHES:
            found[batch] = []
            for turn in range(-1, rounds):  # the first warms up
                rates = {}
                for name, path in VIEWS.items():
                    rates[name], posts = measure(shop, browsers, path, batch, seconds if turn >= 0 else 1.0)
                    acknowledged += posts * (1 if path == LIMIT_URL else batch)
                found[batch] += [rates] if turn >= 0 else []
        shop.wait_until_drained()
        return found, acknowledged - len(shop.stored())


def measure(shop: CaptureShop, browsers: list[Browser], path: str, batch: int, seconds: float) -> tuple[Rate, int]:
    """(rate, posts): each browser posts new events again and again; every answer must be 202."""
    enough = int(seconds * (4_000 if batch == 1 else 1_500))
    bodies = iter([json.dumps({"events": browsers[0].views(batch)}).encode() for _ in range(enough)])
    used = shop.cpu_seconds()
    began = time.perf_counter()
    times = asyncio.run(post(shop.web_port, [_head(browser, path) for browser in browsers], bodies, seconds))
    took = time.perf_counter() - began
    web, postgres = np.subtract(shop.cpu_seconds(), used) * 1_000 / len(times)
    p50, p99 = np.percentile(np.array(times) * 1_000, [50, 99])
    return Rate(len(times) * batch / took, float(p50), float(p99), float(web), float(postgres)), len(times)


def _head(browser: Browser, path: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nUser-Agent: Mozilla/5.0\r\n"
        f"Cookie: {browser.cookie}\r\n"
    ).encode()


def bulk() -> dict[str, float]:
    """Rows a second: by `load_events`, by COPY of encoded rows, by bulk_create, the best of three each."""
    from django.db import connection

    from recommender.capture import binary_copy
    from recommender.capture.bulk import EventColumns, event_ids, load_events
    from recommender.models import Event, Visitor
    from shop.models import Product

    visitors = np.array([Visitor.objects.create().pk for _ in range(1_000)])
    items = np.array(Product.objects.values_list("pk", flat=True))
    rng = np.random.default_rng(0)
    fields = {
        "id": binary_copy.UUID,
        "visitor_id": binary_copy.INT8,
        "item_id": binary_copy.INT8,
        "kind": binary_copy.INT2,
        "at": binary_copy.INT8,
        "quantity": binary_copy.INT4,
        "source": binary_copy.INT2,
    }

    def columns(rows: int, name: str) -> EventColumns:
        at = np.sort(rng.integers(1_788_000_000, 1_795_000_000, rows))
        keys = event_ids(at, [f"{name} {row}" for row in range(rows)])
        kinds = np.full(rows, Event.Kind.PURCHASE.value, dtype=np.int8)
        return EventColumns(keys, rng.choice(visitors, rows), rng.choice(items, rows), kinds, at)

    def load(data: EventColumns) -> float:
        began = time.perf_counter()
        assert load_events(data).stored == len(data)
        return len(data) / (time.perf_counter() - began)

    def copy(data: EventColumns) -> float:
        at = (np.asarray(data.at) - binary_copy.POSTGRES_EPOCH_SECONDS) * binary_copy.MICROSECONDS
        ones = np.ones(len(data), dtype=np.int32)
        values = {"id": data.id, "visitor_id": data.visitor, "item_id": data.item, "kind": data.kind, "at": at}
        encoded = binary_copy.pack(fields, values | {"quantity": ones, "source": ones})
        began = time.perf_counter()
        statement = f"COPY recommender_event ({', '.join(fields)}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as stream:
            stream.write(encoded)
        return len(data) / (time.perf_counter() - began)

    def create(data: EventColumns) -> float:
        moments = [datetime.fromtimestamp(at, UTC) for at in np.asarray(data.at).tolist()]
        rows = zip(
            data.id.tolist(), np.asarray(data.visitor).tolist(), np.asarray(data.item).tolist(), moments, strict=True
        )
        began = time.perf_counter()
        events = [
            Event(id=UUID(bytes=key), visitor_id=who, item_id=what, kind=4, at=at, quantity=1, source=3)
            for key, who, what, at in rows
        ]
        Event.objects.bulk_create(events, batch_size=1_000, ignore_conflicts=True)
        return len(data) / (time.perf_counter() - began)

    best: dict[str, float] = {"load_events": 0.0, "COPY, encoded before": 0.0, "bulk_create": 0.0}
    load(columns(1_000, "warm"))  # makes the months, too
    for turn in range(3):  # in turns, so that a busy moment of the machine hits all alike
        for name, measure, rows in zip(best, (load, copy, create), (BULK_ROWS, BULK_ROWS, ORM_ROWS), strict=True):
            best[name] = max(best[name], measure(columns(rows, f"{name} {turn}")))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default 2)")
    parser.add_argument("--connections", type=int, default=16, help="that post at the same time (default 16)")
    parser.add_argument("--rounds", type=int, default=5, help="over all views, of which the median counts (default 5)")
    options = parser.parse_args()
    rates, missing = endpoint(options.seconds, options.connections, options.rounds)
    with CaptureShop() as shop:
        os.environ |= shop.environment()
        import django

        django.setup()
        loads = bulk()
    show(rates, missing, loads)
    result: dict[str, Any] = {
        "endpoint": {
            batch: [{name: asdict(rate) for name, rate in views.items()} for views in rounds]
            for batch, rounds in rates.items()
        },
        "acknowledged_but_missing": missing,
        "bulk_rows_per_second": loads,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if missing else 0


def show(rates: dict[int, Rounds], missing: int, loads: dict[str, float]) -> None:
    """Medians of the rounds; "ours" and "by CPU" are medians of ratios within a round."""
    head = ("events a post", "view", "events/s", "p50 ms", "p99 ms", "web + Postgres CPU ms a post", "ours", "by CPU")
    table = Table(*head, title="Capture")
    for batch, rounds in rates.items():
        for name in VIEWS:
            rate = [median(each) for each in zip(*(astuple(views[name]) for views in rounds), strict=True)]
            speeds = [views["ours"].events_per_second / views[name].events_per_second for views in rounds]
            costs = [views[name].cpu_ms / views["ours"].cpu_ms for views in rounds]
            numbers = (f"{rate[0]:,.0f}", f"{rate[1]:.1f}", f"{rate[2]:.1f}", f"{rate[3]:.2f} + {rate[4]:.2f}")
            table.add_row(str(batch), name, *numbers, _ratio(speeds), _ratio(costs))
    console = Console()
    console.print(table)
    console.print(f"acknowledged but missing: {missing}")
    table = Table("bulk", "rows/s", "load_events is")
    for name, rows in loads.items():
        table.add_row(name, f"{rows:,.0f}", f"{loads['load_events'] / rows:.2f} ×")
    console.print(table)


def _ratio(found: list[float]) -> str:
    return f"{median(found):.1f} × ({min(found):.1f} to {max(found):.1f})"


if __name__ == "__main__":
    sys.exit(main())
