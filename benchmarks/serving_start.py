"""The first lists: of a web process that has just begun, and after a version went live.

A warm process has loaded the version's files, has connections, and has been remembered by Postgres; who loads it, and
when, decides what the first visitor gets. Asked is like a browser that comes some seconds after the process or the
version, and like one that comes at once.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Final

HOST: Final = "127.0.0.1"
SECONDS_LATER: Final = 3.0
UNTIL_SECONDS: Final = 30.0  # for the first personal list


@dataclass(frozen=True, slots=True)
class First:
    """The first list: how long it took and which rung it was of; and when the first personal one came, since the start
    or the flip. later_ms, later_rung: the first list where nobody asked for SECONDS_LATER."""

    at_once_ms: float
    at_once_rung: str
    personal_after_seconds: float
    later_ms: float
    later_rung: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One list. version: pk of the version behind it."""

    ms: float
    rung: str
    version: int | None


def first_lists(
    serve: Callable[[], AbstractContextManager[int]], paths: Sequence[str], headers: Mapping[str, str]
) -> dict[str, First]:
    """`serve`: starts a web server and gives its port as soon as it answers."""
    from benchmarks.versions import copy_of_live
    from recommender.index.publish import publish

    with serve() as port:
        at_once, after = _until_personal(port, paths, headers, None)
    with serve() as port:
        time.sleep(SECONDS_LATER)
        later = _ask(port, paths[0], headers)
        found = {"of a process": First(at_once.ms, at_once.rung, after, later.ms, later.rung)}
        with copy_of_live() as copy:
            publish(copy)
            at_once, after = _until_personal(port, paths[1:], headers, copy.pk)
        with copy_of_live() as copy:
            publish(copy)
            time.sleep(SECONDS_LATER)
            later = _ask(port, paths[2], headers)
            later_rung = later.rung if later.version == copy.pk else f"{later.rung}, of the version before"
        found["of a version"] = First(at_once.ms, at_once.rung, after, later.ms, later_rung)
    return found


def _until_personal(
    port: int, paths: Sequence[str], headers: Mapping[str, str], version: int | None
) -> tuple[Seen, float]:
    """(the slowest list until a personal one came, of `version` where one is named; seconds until then)."""
    began = time.monotonic()
    slowest: Seen | None = None
    number = 0
    while True:
        seen = _ask(port, paths[number % len(paths)], headers)
        slowest = seen if slowest is None or seen.ms > slowest.ms else slowest
        after = round(time.monotonic() - began, 2)
        if (seen.rung == "personal" and version in (None, seen.version)) or after > UNTIL_SECONDS:
            return slowest, after
        number += 1
        time.sleep(0.02)


def _ask(port: int, path: str, headers: Mapping[str, str]) -> Seen:
    with closing(http.client.HTTPConnection(HOST, port, timeout=10)) as connection:
        began = time.perf_counter()
        connection.request("GET", path, headers=dict(headers))
        body = json.loads(connection.getresponse().read())
        return Seen(round(1_000 * (time.perf_counter() - began), 1), body["rung"], body["version"])
