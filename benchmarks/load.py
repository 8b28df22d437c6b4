"""A small load generator: keep-alive connections to this machine, each asking again as soon as it is answered."""

import asyncio
import ipaddress
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Load:
    """One measurement: answers a second, and milliseconds that half and all but one in a hundred stayed below."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    answers: int


class WrongAnswer(Exception):
    """The server answered with something else than 200: the numbers would mean nothing."""


def measure(
    host: str, port: int, paths: Sequence[str], *, headers: str = "", connections: int = 4, seconds: float = 5.0
) -> Load:
    """Ask for `paths` in turn for `seconds` after a warm-up of each path or one second, whichever is shorter.

    Args:
        headers: complete header lines, each ended by CRLF.
    Raises:
        ValueError: `host` is not this machine.
        WrongAnswer: an answer is no 200.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError("Only this machine is put under load.")
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode() for path in paths]
    asyncio.run(_ask(host, port, requests, connections, 1.0))
    began = time.perf_counter()
    times = asyncio.run(_ask(host, port, requests, connections, seconds))
    took = time.perf_counter() - began
    p50, p99 = np.percentile(np.array(times) * 1_000, [50, 99])
    return Load(len(times) / took, float(p50), float(p99), len(times))


async def _ask(host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float) -> list[float]:
    """Seconds that each answer took."""
    deadline = time.perf_counter() + seconds
    turns = itertools.cycle(requests)
    times: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            while (asked := time.perf_counter()) < deadline:
                writer.write(next(turns))
                await _read_answer(reader)
                times.append(time.perf_counter() - asked)
        finally:
            writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return times


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").lower().split("\r\n")
    if " 200 " not in f"{status} ":
        raise WrongAnswer(status)
    length = next((int(line.split(":", 1)[1]) for line in lines if line.startswith("content-length:")), None)
    if length is None:
        raise WrongAnswer("an answer without Content-Length")
    await reader.readexactly(length)
