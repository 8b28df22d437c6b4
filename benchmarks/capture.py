"""`python -m benchmarks.capture`: how fast events come in, as ratios of one run on one server.

Endpoint: the same posts to `events/` and to plain views that validate with a DRF serializer and store by bulk_create;
of all the rows that were acknowledged, so many must be in the table at the end. Bulk: `load_events` against bulk_create
and against COPY of the same rows, encoded beforehand, into the same table.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.capture_server import EVENTS_URL, HOST, Browser, CaptureShop

RESULTS: Final = Path(__file__).parent / "results" / "capture.json"
BATCHES: Final = (1, 50)
VIEWS: Final = {"ours": EVENTS_URL, "DRF ModelSerializer": "/plain/events/", "DRF, items together": "/frugal/events/"}
BULK_ROWS: Final = 200_000
ORM_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one view at one size of batch; CPU time is of one post, without the client's."""

    events: int
    events_per_second: float
    p50_ms: float
    p99_ms: float
    web_cpu_ms: float
    postgres_cpu_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.web_cpu_ms + self.postgres_cpu_ms


def posts(shop: CaptureShop, path: str, batch: int, seconds: float, connections: int) -> Rate:
    """Each connection posts new events again and again; every answer must be 202."""
    browsers = [Browser(shop) for _ in range(connections)]
    for browser in browsers:
        browser.post(browser.views(1))
    bodies = [[_request(browser, path, batch) for _ in range(_enough(batch, seconds))] for browser in browsers]
    used = shop.cpu_seconds()
    began = time.perf_counter()
    times = asyncio.run(_post(shop.web_port, bodies, seconds))
    took = time.perf_counter() - began
    web, postgres = np.subtract(shop.cpu_seconds(), used) * 1_000 / len(times)
    p50, p99 = np.percentile(np.array(times) * 1_000, [50, 99])
    return Rate(len(times) * batch, len(times) * batch / took, float(p50), float(p99), float(web), float(postgres))


def _enough(batch: int, seconds: float) -> int:
    return int(seconds * (1_500 if batch == 1 else 300))


def _request(browser: Browser, path: str, batch: int) -> bytes:
    body = json.dumps({"events": browser.views(batch)}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nUser-Agent: Mozilla/5.0\r\n"
        f"Cookie: {browser.cookie}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _post(port: int, bodies: list[list[bytes]], seconds: float) -> list[float]:
    deadline = time.perf_counter() + seconds
    times: list[float] = []

    async def connection(requests: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        for request in requests:
            asked = time.perf_counter()
            if asked > deadline:
                break
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
            text = await reader.readexactly(length)
            assert " 202 " in head.split("\r\n")[0] + " ", text
            times.append(time.perf_counter() - asked)
        else:
            raise AssertionError("the bodies ran out: make more of them")
        writer.close()

    await asyncio.gather(*map(connection, bodies))
    return times


def endpoint(seconds: float, connections: int) -> tuple[dict[int, dict[str, Rate]], int]:
    """(batch → view → rate, events that were acknowledged and are missing)."""
    with CaptureShop(threads=connections) as shop:
        found: dict[int, dict[str, Rate]] = {batch: {} for batch in BATCHES}
        missing = 0
        for batch in BATCHES:
            for name, path in VIEWS.items():
                posts(shop, path, batch, 1.0, connections)
                shop.wait_until_drained()
                before = len(shop.stored())
                found[batch][name] = posts(shop, path, batch, seconds, connections)
                shop.wait_until_drained()
                missing += found[batch][name].events + connections - (len(shop.stored()) - before)
        return found, missing


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
        at = (data.at - binary_copy.POSTGRES_EPOCH_SECONDS) * binary_copy.MICROSECONDS
        ones = np.ones(len(data), dtype=np.int32)
        values = {"id": data.id, "visitor_id": data.visitor, "item_id": data.item, "kind": data.kind, "at": at}
        encoded = binary_copy.pack(fields, values | {"quantity": ones, "source": ones})
        began = time.perf_counter()
        statement = f"COPY recommender_event ({', '.join(fields)}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(statement) as stream:
            stream.write(encoded)
        return len(data) / (time.perf_counter() - began)

    def create(data: EventColumns) -> float:
        moments = [datetime.fromtimestamp(at, UTC) for at in data.at.tolist()]
        rows = zip(data.id.tolist(), data.visitor.tolist(), np.asarray(data.item).tolist(), moments, strict=True)
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
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default 5)")
    parser.add_argument("--connections", type=int, default=16, help="that post at the same time (default 16)")
    options = parser.parse_args()
    rates, missing = endpoint(options.seconds, options.connections)
    with CaptureShop() as shop:
        os.environ |= shop.environment()
        import django

        django.setup()
        loads = bulk()
    show(rates, missing, loads)
    result: dict[str, Any] = {
        "endpoint": {batch: {name: asdict(rate) for name, rate in views.items()} for batch, views in rates.items()},
        "acknowledged_but_missing": missing,
        "bulk_rows_per_second": loads,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if missing else 0


def show(rates: dict[int, dict[str, Rate]], missing: int, loads: dict[str, float]) -> None:
    head = ("events a post", "view", "events/s", "p50 ms", "p99 ms", "web + Postgres CPU ms a post", "ours", "by CPU")
    table = Table(*head, title="Capture")
    for batch, views in rates.items():
        for name, rate in views.items():
            numbers = (f"{rate.events_per_second:,.0f}", f"{rate.p50_ms:.1f}", f"{rate.p99_ms:.1f}")
            cpu = f"{rate.web_cpu_ms:.2f} + {rate.postgres_cpu_ms:.2f}"
            ratio = views["ours"].events_per_second / rate.events_per_second
            cpu_ratio = rate.cpu_ms / views["ours"].cpu_ms
            table.add_row(str(batch), name, *numbers, cpu, f"{ratio:.1f} ×", f"{cpu_ratio:.1f} ×")
    console = Console()
    console.print(table)
    console.print(f"acknowledged but missing: {missing}")
    table = Table("bulk", "rows/s", "load_events is")
    for name, rows in loads.items():
        table.add_row(name, f"{rows:,.0f}", f"{loads['load_events'] / rows:.2f} ×")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
