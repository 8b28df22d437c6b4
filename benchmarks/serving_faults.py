"""What pages get while the database is frozen, killed, locked or full, the model's file damaged, or the cache gone:
`python -m benchmarks.serving --faults`.

Browsers ask for lists, ten a second each at most, one fault after the other. Counted is everything from the fault on
until HEALING_SECONDS after it: every status that is no 200, how long answers took, and when the first list came that
was made for its visitor again.
"""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from benchmarks.breaking import crowded, frozen, killed, locked, without_cache
from demo.broker import EmbeddedBroker
from demo.postgres import EmbeddedPostgres

HOST: Final = "127.0.0.1"
CALM_SECONDS: Final = 5.0  # before each fault
PAUSE_SECONDS: Final = 0.1  # of a browser between two lists: full load would measure the processor
HEALING_SECONDS: Final = 6.0
READ: Final = ("recommender_itemembedding", "shop_product")  # what every list reads


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer; `at` is when it had come (monotonic), `status` 0 where none came."""

    at: float
    seconds: float
    status: int
    rung: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault. `failed`: answers other than 200. `healed_seconds`: None where no personal list came again."""

    seconds: float
    answers: int
    failed: int
    calm_p99_ms: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    slowest_ms: float
    healed_seconds: float | None
    rungs: dict[str, int]


def faults(postgres: EmbeddedPostgres, cache: EmbeddedBroker) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    from benchmarks.versions import damaged_version

    return {
        "frozen": partial(frozen, postgres),
        "killed": partial(killed, postgres),
        "tables locked": partial(locked, postgres, *READ),
        "no free connection": partial(crowded, postgres),
        "model file damaged": damaged_version,
        "cache gone": partial(without_cache, cache),
    }


def run(
    port: int,
    postgres: EmbeddedPostgres,
    cache: EmbeddedBroker,
    paths: Sequence[str],
    headers: Mapping[str, str],
    browsers: int,
    seconds: float,
) -> dict[str, Outcome]:
    """Each fault for `seconds` while `browsers` ask for `paths` in turn."""
    outcomes: dict[str, Outcome] = {}
    for name, fault in faults(postgres, cache).items():
        with asking(port, paths, headers, browsers) as seen:
            time.sleep(CALM_SECONDS)
            began = time.monotonic()
            with fault():
                time.sleep(seconds)
            ended = time.monotonic()  # a killed server is up again here
            time.sleep(HEALING_SECONDS)
        outcomes[name] = _judge(seen, began, ended)
    return outcomes


@contextmanager
def asking(port: int, paths: Sequence[str], headers: Mapping[str, str], browsers: int) -> Iterator[list[Seen]]:
    """Browsers that ask again PAUSE_SECONDS after they were answered."""
    seen: list[Seen] = []
    is_over = threading.Event()

    def ask(first: int) -> None:
        with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
            number = first
            while not is_over.is_set():
                began = time.monotonic()
                status, rung = _answer(connection, paths[number % len(paths)], headers)
                seen.append(Seen(time.monotonic(), time.monotonic() - began, status, rung))
                number += browsers
                time.sleep(PAUSE_SECONDS)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(browsers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _answer(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return 0, type(error).__name__
    return answer.status, json.loads(body)["rung"] if answer.status == 200 else ""


def _judge(seen: Sequence[Seen], began: float, ended: float) -> Outcome:
    calm = [each.seconds for each in seen if each.at < began]
    counted = [each for each in seen if each.at >= began]
    p50, p99, p999, slowest = 1_000 * np.percentile([each.seconds for each in counted], [50, 99, 99.9, 100])
    healed = [each.at - ended for each in seen if each.at > ended and each.rung == "personal"]
    return Outcome(
        seconds=round(ended - began, 1),
        answers=len(counted),
        failed=sum(each.status != 200 for each in counted),
        calm_p99_ms=round(1_000 * float(np.percentile(calm, 99)), 1),
        p50_ms=round(float(p50), 1),
        p99_ms=round(float(p99), 1),
        p999_ms=round(float(p999), 1),
        slowest_ms=round(float(slowest), 1),
        healed_seconds=round(min(healed), 2) if healed else None,
        rungs=dict(Counter(each.rung for each in counted if each.at < ended)),
    )
