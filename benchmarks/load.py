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
    """One measurement: answers a second, and milliseconds that half and all but one in a hundred stayed below.

    `wanted_share`: of the answers that hold the text that was looked for; 1 where none was.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    wanted_share: float = 1.0


class WrongAnswer(Exception):
    """The server answered with something else than 200: the numbers would mean nothing."""


def measure(
    host: str,
    port: int,
    paths: Sequence[str],
    *,
    headers: str = "",
    connections: int = 4,
    seconds: float = 5.0,
    wanted: bytes = b"",
) -> Load:
    """Ask for `paths` in turn for `seconds` after a warm-up of each path or one second, whichever is shorter.

    Args:
        headers: complete header lines, each ended by CRLF.
        wanted: what a full answer holds; a quicker and simpler one may lack it.
    Raises:
        ValueError: `host` is not this machine.
        WrongAnswer: an answer is no 200.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError("Only this machine is put under load.")
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode() for path in paths]
    asyncio.run(_ask(host, port, requests, connections, 1.0, wanted))
    began = time.perf_counter()
    times, full = asyncio.run(_ask(host, port, requests, connections, seconds, wanted))
    took = time.perf_counter() - began
    p50, p99 = np.percentile(np.array(times) * 1_000, [50, 99])
    return Load(len(times) / took, float(p50), float(p99), len(times), full / len(times))


async def _ask(
    host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, wanted: bytes
) -> tuple[list[float], int]:
    """(seconds that each answer took, how many held what was wanted)."""
    deadline = time.perf_counter() + seconds
    turns = itertools.cycle(requests)
    times: list[float] = []
    full = 0

    async def connection() -> None:
        nonlocal full
        reader, writer = await asyncio.open_connection(host, port)
        try:
            while (asked := time.perf_counter()) < deadline:
                writer.write(next(turns))
                answer = await _read_answer(reader)
                full += wanted in answer
                times.append(time.perf_counter() - asked)
        finally:
            writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return times, full


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").lower().split("\r\n")
    if " 200 " not in f"{status} ":
        raise WrongAnswer(status)
    length = next((int(line.split(":", 1)[1]) for line in lines if line.startswith("content-length:")), None)
    if length is None:
        raise WrongAnswer("an answer without Content-Length")
    return await reader.readexactly(length)
