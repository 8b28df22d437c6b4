"""A deadline that holds when the server says nothing at all: no setting of Postgres or libpq bounds that wait.

One thread a process looks at the connections in use and shuts the socket of one that waits for the server for too long.
Whoever waits on it gets an OperationalError at once. The transaction is lost, so this is not for connections inside the
shop's own.
"""

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

LOOK_EVERY_SECONDS: Final = 0.02


class Watchdog:
    """Connections with the moment at which their patience ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, tuple[float, Any]] = {}
        self._numbers = itertools.count()
        self._has_work = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watch(self, connection: Any, seconds: float) -> Iterator[None]:
        """Within this block the connection answers in `seconds`, or is cut.

        Args:
            connection: out of `django.db.connections`, since the proxy `django.db.connection` means another one in the
                watching thread. One that connects only now is bound by its `connect_timeout` until it has.
        """
        number = next(self._numbers)
        with self._lock:
            self._due[number] = (time.monotonic() + seconds, connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recommender-deadline", daemon=True)
                self._thread.start()
        self._has_work.set()
        try:
            yield
        finally:
            with self._lock:  # after this nothing of ours touches the socket
                self._due.pop(number, None)

    def _run(self) -> None:
        while True:
            self._has_work.wait()
            time.sleep(LOOK_EVERY_SECONDS)
            with self._lock:
                now = time.monotonic()
                for number, (until, connection) in list(self._due.items()):
                    if until < now and _cut(connection):
                        del self._due[number]
                if not self._due:
                    self._has_work.clear()


def _cut(connection: Any) -> bool:
    """False where it waits for nothing right now: it may yet."""
    raw = connection.connection
    if raw is None or raw.closed or raw.info.transaction_status != TransactionStatus.ACTIVE:
        return False
    with contextlib.suppress(OSError, psycopg.Error):  # it ended by itself in this moment
        twin = socket.socket(fileno=os.dup(raw.fileno()))
        try:
            twin.shutdown(socket.SHUT_RDWR)
        finally:
            twin.close()
    return True


_watchdog = Watchdog()
watch = _watchdog.watch


def _after_fork() -> None:
    """Threads do not survive a fork, and a lock may be held for ever."""
    _watchdog.__init__()  # type: ignore[misc]  # the bound `watch` must stay this object's


os.register_at_fork(after_in_child=_after_fork)
