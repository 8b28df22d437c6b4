"""`python -m benchmarks.faults`: what capture promises, while the real thing is killed, frozen and filled.

    acknowledged − present = 0     after SIGKILL of Postgres, a full disk for the spill, and both
    page latency                   while Postgres is frozen: SIGSTOP, connections stand and nobody answers

Short forms of the same run in `make test` (tests/capture/test_faults.py).
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.capture_server import Browser, CaptureShop

RESULTS: Final = Path(__file__).parent / "results" / "faults.json"
EVENTS_A_POST: Final = 20
TMPFS_BYTES: Final = 1024 * 1024  # room for what a freeze of some seconds sends, soon full of what an outage does


@dataclass
class Poured:
    """What the browsers of `pouring` sent.

    Attributes:
        acknowledged: ids of events that were answered by 202. posts, refused: by 202, by 503.
        slowest_ms: of the posts.
    """

    acknowledged: set[uuid.UUID] = field(default_factory=set)
    posts: int = 0
    refused: int = 0
    slowest_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome of one fault: `lost` and `doubled` must be 0."""

    faults: int
    acknowledged: int
    lost: int
    ledger_difference: int
    posts: int
    refused: int
    slowest_ms: float


@dataclass(frozen=True, slots=True)
class Frozen:
    """Milliseconds of a page that tells of a view and asks no database itself."""

    seconds: float
    pages: int
    before_p99_ms: float
    frozen_p99_ms: float
    frozen_slowest_ms: float
    lost: int


@contextlib.contextmanager
def pouring(shop: CaptureShop, browsers: int = 4, pause_seconds: float = 0.0) -> Iterator[Poured]:
    """Browsers that post new views, and the same again until they get an answer that lets them go on."""
    poured, lock, is_over = Poured(), threading.Lock(), threading.Event()

    def pour() -> None:
        with contextlib.closing(Browser(shop)) as browser:
            pour_from(browser)

    def pour_from(browser: Browser) -> None:
        while not is_over.is_set():
            events = browser.views(EVENTS_A_POST)
            while not is_over.is_set():
                began = time.perf_counter()
                try:
                    status, answer = browser.post(events)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)
                    continue
                with lock:
                    poured.slowest_ms = max(poured.slowest_ms, 1_000 * (time.perf_counter() - began))
                    poured.posts += status == 202
                    poured.refused += status == 503
                    if status == 202:
                        assert not answer["quarantined"] and not answer["refused"], answer
                        poured.acknowledged |= {uuid.UUID(str(event["id"])) for event in events}
                        break
                assert status == 503, (status, answer)
                time.sleep(0.05)
            time.sleep(pause_seconds)

    threads = [threading.Thread(target=pour) for _ in range(browsers)]
    for thread in threads:
        thread.start()
    try:
        yield poured
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def kill(shop: CaptureShop, times: int, between_seconds: float = 1.0) -> Kept:
    """SIGKILL Postgres again and again while events pour in."""
    with pouring(shop) as poured:
        for _ in range(times):
            time.sleep(between_seconds)
            shop.kill_postgres()
            time.sleep(between_seconds / 2)
            shop.start_postgres()
        time.sleep(between_seconds)
    return _judge(shop, poured, times)


def freeze(shop: CaptureShop, seconds: float) -> Frozen:
    """SIGSTOP Postgres while pages are shown; each tells of a view."""
    with contextlib.closing(Browser(shop)) as browser:
        browser.post(browser.views(1))
        before = _times(browser, shop, seconds=2)
        with shop.frozen():
            during = _times(browser, shop, seconds)
    shop.wait_until_drained()
    with shop.connect() as connection:
        row = connection.execute("SELECT count(*) FROM recommender_event WHERE source = 2").fetchone()
    assert row is not None
    shown = len(before) + len(during)
    before_p99, during_p99 = (float(np.percentile(times, 99)) for times in (before, during))
    return Frozen(seconds, shown, before_p99, during_p99, max(during), shown - int(str(row[0])))


def fill(shop: CaptureShop) -> Kept:
    """Postgres killed, and the disk of the spill runs full; the shop's spill has to be on a `small_disk`."""
    with pouring(shop, pause_seconds=0.01) as poured:
        time.sleep(1)
        shop.kill_postgres()
        until = time.monotonic() + 30
        while poured.refused < 5 and time.monotonic() < until:
            time.sleep(0.1)
        assert poured.refused >= 5, "the disk did not run full"
        shop.start_postgres()
        time.sleep(3)
    return _judge(shop, poured, 1)


@contextlib.contextmanager
def small_disk() -> Iterator[Path | None]:
    """A folder on a disk of TMPFS_BYTES; None where none can be made, because this is not root."""
    disk = Path(tempfile.mkdtemp(prefix="recommender-disk-"))
    argv = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(disk)]
    is_mounted = os.geteuid() == 0 and subprocess.run(argv, check=False, capture_output=True).returncode == 0
    try:
        yield disk / "spill" if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", str(disk)], check=False)
        shutil.rmtree(disk, ignore_errors=True)


def _times(browser: Browser, shop: CaptureShop, seconds: float) -> list[float]:
    times: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        assert browser.get(f"/seen/{shop.items[0]}/") == 200
        times.append(1_000 * (time.perf_counter() - began))
        time.sleep(0.005)
    return times


def _judge(shop: CaptureShop, poured: Poured, faults: int) -> Kept:
    shop.wait_until_drained()
    lost = poured.acknowledged - shop.stored()
    with shop.connect() as connection:
        row = connection.execute(
            "SELECT sum(received - stored - duplicate - quarantined - refused),"
            " sum(stored) - (SELECT count(*) FROM recommender_event) FROM recommender_ledgerentry"
        ).fetchone()
    assert row is not None
    difference = abs(int(str(row[0]))) + abs(int(str(row[1])))
    return Kept(
        faults, len(poured.acknowledged), len(lost), difference, poured.posts, poured.refused, poured.slowest_ms
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of Postgres, by SIGKILL (default 20)")
    parser.add_argument("--freeze", type=float, default=30.0, help="seconds under SIGSTOP (default 30)")
    options = parser.parse_args()
    with CaptureShop() as shop:
        killed, frozen = kill(shop, options.kills), freeze(shop, options.freeze)
    filled = None
    with small_disk() as disk:
        if disk is not None:
            with CaptureShop(spill=disk) as shop:
                filled = fill(shop)
    found = {"killed": asdict(killed), "frozen": asdict(frozen), "disk_full": asdict(filled) if filled else None}
    print(json.dumps(found, indent=2))  # noqa: T201  a report
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    broken = [each.lost or each.ledger_difference for each in (killed, filled) if each] + [frozen.lost]
    return 1 if any(broken) else 0


if __name__ == "__main__":
    sys.exit(main())
