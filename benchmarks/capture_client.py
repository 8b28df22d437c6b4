"""A client that posts as fast as it is answered, and costs little itself: it shares the machine with the server."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.capture_server import HOST


class _Poster(asyncio.Protocol):
    """One connection; callbacks, since a stream's tasks cost as much as a small answer."""

    def __init__(self, head: bytes, bodies: Iterator[bytes], deadline: float) -> None:
        self.times: list[float] = []
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = head
        self._bodies = bodies
        self._deadline = deadline

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._post()

    def _post(self) -> None:
        self._asked, self._answer = time.perf_counter(), b""
        if self._asked > self._deadline:
            self.is_over.set_result(None)
            self._transport.close()
            return
        body = next(self._bodies, None)
        if body is None:
            raise AssertionError("the bodies ran out: make more of them")
        self._transport.write(self._head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, text = self._answer.partition(b"\r\n\r\n")
        if not end or len(text) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        assert b" 202 " in head[:16], self._answer
        self.times.append(time.perf_counter() - self._asked)
        self._post()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_over.done():
            self.is_over.set_exception(error or ConnectionError("the server closed the connection"))


async def post(port: int, heads: list[bytes], bodies: Iterator[bytes], seconds: float) -> list[float]:
    """Post for some seconds; how many each answer took, all of which are 202.

    Args:
        heads: of each connection, without Content-Length, complete lines. bodies: for all connections, each once.
    """
    deadline = time.perf_counter() + seconds
    posters = [_Poster(head, bodies, deadline) for head in heads]
    for poster in posters:
        await asyncio.get_running_loop().create_connection(lambda poster=poster: poster, HOST, port)  # type: ignore[misc]
    await asyncio.gather(*(poster.is_over for poster in posters))
    return [took for poster in posters for took in poster.times]
