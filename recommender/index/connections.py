"""Connections of our own for what lists read: at most RECOMMENDER_CONNECTIONS a process, shared by its threads.

The page's connection belongs to the shop. Ours are in autocommit, have our limits from their first moment on, plan our
statements once, and may be cut at any time, as the page's may not inside its transaction.
"""

import copy
import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.core import mail
from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connections
from psycopg.pq import TransactionStatus

from recommender.conf import conf
from recommender.index import budget
from recommender.index.planned import SEEN_BEFORE

IDLE_SECONDS: Final = 60.0  # a connection that nobody needed for so long is closed
CONNECT_SECONDS: Final = 2  # libpq takes no less; nobody waits for it, see `borrow`
MAX_EF_SEARCH: Final = 1_000  # pgvector's limit
# Of the budget, for one statement: less than RUNG_SHARE, so that a slow one does not cost the connection.
STATEMENT_SHARE: Final = 0.5
MARGIN_MS: Final = 25.0  # that a busy server takes to end one
STEP: Final = 0.8  # from one limit to the next shorter one
ENOUGH: Final = 0.6  # of the time that is left
EPSILON: Final = 1e-9


def index_settings(neighbours: int) -> dict[str, str]:
    """For a scan of the index that finds up to `neighbours`."""
    return {
        # An index scan that a filter leaves short goes on instead of returning fewer rows.
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": str(min(max(conf.HNSW_EF_SEARCH, neighbours), MAX_EF_SEARCH)),
        # What lists read is in memory, or they come too late anyway. At Postgres' default of 4 the planner reads the
        # whole catalogue to see which of a visitor's own 700 items are available: 10.7 ms of 16.6.
        "random_page_cost": "1.1",
    }


def time_limits(seconds: float) -> dict[str, str]:
    """Cut off a statement and the wait for a lock."""
    limit = f"{max(round(seconds * 1_000), 1)}ms"
    return {"statement_timeout": limit, "lock_timeout": limit}


class Pool:
    """Django connections, the last one used first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._idle: list[tuple[Any, float]] = []  # connection, since when
        self._count = 0  # idle, borrowed and being made
        self._making = 0
        self._waiting = 0  # threads
        self._failure: tuple[float, BaseException] = (0.0, OperationalError())

    @contextmanager
    def borrow(self, seconds: float) -> Iterator[Any]:
        """A connection within `seconds`. It is made by another thread: to a frozen server, connecting takes for ever.

        Raises:
            OperationalError: there is none in time, or the server refuses.
        """
        connection = self._take(seconds)
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _take(self, seconds: float) -> Any:
        began = time.monotonic()
        with self._changed:
            self._waiting += 1
            try:
                while True:
                    if (connection := self._idle_one()) is not None:
                        return connection
                    self._ask_for_one(began)
                    left = began + seconds - time.monotonic()
                    if left <= 0:
                        raise OperationalError(f"No connection for a list within {seconds * 1_000:.0f} ms.")
                    self._changed.wait(left)
            finally:
                self._waiting -= 1

    def _idle_one(self) -> Any:
        too_old = time.monotonic() - IDLE_SECONDS  # something on the way may have forgotten it
        while self._idle:
            connection, since = self._idle.pop()
            if since > too_old and _is_usable(connection):
                return connection
            self._close(connection)
        return None

    def _ask_for_one(self, began: float) -> None:
        """Have a connection made, unless as many come as are waited for. A server that refuses is not asked again."""
        if self._failure[0] >= began:
            if not self._count:
                raise self._failure[1]
        elif self._making < self._waiting and self._count < conf.CONNECTIONS:
            try:
                threading.Thread(target=self._make, name="recommender-connect", daemon=True).start()
            except RuntimeError as error:  # the machine has no more threads
                raise OperationalError(str(error)) from error
            self._count += 1
            self._making += 1

    def _make(self) -> None:
        try:
            connection = _connect()
        except BaseException as error:  # whatever it is, whoever waits shall know
            with self._changed:
                self._count -= 1
                self._making -= 1
                self._failure = (time.monotonic(), error)
                self._changed.notify_all()
            return
        with self._changed:
            self._making -= 1
            self._keep(connection)

    def _give_back(self, connection: Any) -> None:
        with self._changed:
            if _is_usable(connection):
                self._keep(connection)
            else:
                self._close(connection)
            too_old = time.monotonic() - IDLE_SECONDS
            while self._idle and self._idle[0][1] < too_old:
                self._close(self._idle.pop(0)[0])

    def _keep(self, connection: Any) -> None:
        if self.keeps() or len(self._idle) < self._waiting:
            self._idle.append((connection, time.monotonic()))
            self._changed.notify()
        else:
            self._close(connection)

    def keeps(self) -> bool:
        """Django's test runner drops its database at the end: a connection that is kept would stop it."""
        return not hasattr(mail, "outbox")

    def close(self) -> None:
        """Close what nobody uses right now."""
        with self._changed:
            while self._idle:
                self._close(self._idle.pop()[0])

    def _close(self, connection: Any) -> None:
        self._count -= 1
        with suppress(Error):
            connection.close()
        self._changed.notify()  # there is room for another one


pool: Final = Pool()
os.register_at_fork(after_in_child=pool.__init__)  # type: ignore[misc]


def _connect() -> Any:
    """A connection to the default database with our limits."""
    made: Any = connections.create_connection(DEFAULT_DB_ALIAS)
    made.settings_dict = settings = copy.deepcopy(made.settings_dict)
    settings["OPTIONS"].pop("pool", None)  # that one is for the shop's pages
    settings["OPTIONS"]["connect_timeout"] = CONNECT_SECONDS
    made.inc_thread_sharing()
    made.ensure_connection()
    if not is_pooled(made):
        made.limit_ms = _longest_ms()
        wanted = index_settings(conf.CANDIDATES) | time_limits(made.limit_ms / 1_000)
        configure(made, wanted | {"jit": "off"}, is_local=False)  # compiling takes longer than any list
        made.connection.prepare_threshold = SEEN_BEFORE  # Django's None would forbid it
    made.execute_wrappers.append(_in_time)
    return made


def _in_time(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Have the server end a statement a moment before the watchdog must cut the connection: a new one is slow at first,
    and while each is cut, none ever gets fast."""
    left_ms = 1_000 * budget.seconds_left()
    if left_ms <= 0:
        raise OperationalError("The budget of this list is used up.")
    connection = context["connection"]
    if not connection.in_atomic_block:
        wanted = _limit_ms(connection.limit_ms, left_ms - MARGIN_MS)
        if wanted != connection.limit_ms:
            with connection.wrap_database_errors:
                connection.connection.execute(f"SET statement_timeout = {wanted}")
            connection.limit_ms = wanted
    return execute(sql, params, many, context)


def _limit_ms(now_ms: int, left_ms: float) -> int:
    """The limit as it is now, while it ends in time and is not much too short; else the longest step that ends in time.

    To set it takes a round trip. By steps, a list that is quick sets it for none of its statements.
    """
    most = max(min(_longest_ms(), left_ms), 1.0)
    if ENOUGH * most <= now_ms <= most:
        return now_ms
    steps = math.ceil(math.log(most / _longest_ms(), STEP) - EPSILON)
    return max(int(_longest_ms() * STEP**steps), 1)


def _longest_ms() -> int:
    return int(STATEMENT_SHARE * conf.BUDGET_MS)


def configure(connection: Any, settings: dict[str, str], *, is_local: bool) -> None:
    """Set them, for the transaction (`is_local`) or for the connection."""
    calls = ", ".join([f"set_config(%s, %s, {is_local})"] * len(settings))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])


def is_pooled(connection: Any) -> bool:
    """Whether a pooler (PgBouncer) hands the server's connection on after each transaction: nothing lasts then."""
    return bool(connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))


def _is_usable(connection: Any) -> bool:
    """Whether it waits for nothing and is still there: a server that ended it has sent something."""
    raw = connection.connection
    if raw is None or raw.closed or raw.info.transaction_status != TransactionStatus.IDLE:
        return False
    waiting = select.poll()
    waiting.register(raw.fileno(), select.POLLIN)
    return not waiting.poll(0)
