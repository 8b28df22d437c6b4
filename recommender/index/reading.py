"""A block of reads with limits of its own, on a connection that suits the page around it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connections, transaction
from psycopg.pq import TransactionStatus

from recommender import deadline
from recommender.conf import conf
from recommender.index import budget
from recommender.index.connections import configure, index_settings, is_pooled, pool, time_limits
from recommender.savepoints import in_transaction


class _Open(threading.local):
    """The block that this thread is in: how many neighbours its index scans find; None outside."""

    neighbours: int | None = None


_open = _Open()


@contextmanager
def reading(limit_ms: int | None = None, neighbours: int = 0) -> Iterator[None]:
    """Reads inside end after `limit_ms`, or when the budget around is used up, also where the server says nothing.

    With a limit they go over a connection of our own, so that the shop's is neither changed nor cut. Inside a
    transaction that the page has begun they go over the page's, in a savepoint that is rolled back: they see
    what it has written, and the page needs that connection for its commit anyway, so a frozen server keeps it waiting
    with or without us. There, and without a limit, slow statements are cut off by the server alone.

    Raises:
        OperationalError: it took too long, or there is no connection.
    """
    page = connections[DEFAULT_DB_ALIAS]
    if _open.neighbours is not None:
        with _more(neighbours):
            yield
        return
    seconds = min(budget.seconds_left(), conf.BUDGET_MS / 1_000 if limit_ms is None else limit_ms / 1_000)
    if limit_ms is None or has_begun():
        with _savepoint(page, neighbours, None if limit_ms is None else seconds):
            yield
    elif seconds <= 0:
        raise OperationalError("The budget of this list is used up.")
    else:
        with _own(page, neighbours, seconds):
            yield


def has_begun() -> bool:
    """Whether the page is in a transaction that works and in which it has done something: only there is it visible."""
    page = connections[DEFAULT_DB_ALIAS]
    raw = page.connection
    if page.needs_rollback or raw is None or raw.closed:
        return False
    return bool(raw.info.transaction_status == TransactionStatus.INTRANS)


@contextmanager
def _own(page: Any, neighbours: int, seconds: float) -> Iterator[None]:
    with budget.within(seconds), pool.borrow(seconds) as own:
        connections[DEFAULT_DB_ALIAS] = own  # of this thread only
        try:
            with deadline.watch(own, budget.seconds_left()):
                if is_pooled(own) or seconds > budget.RUNG_SHARE * conf.BUDGET_MS / 1_000:
                    with _savepoint(own, neighbours, seconds):
                        yield
                else:
                    with _opened(conf.CANDIDATES), _more(neighbours):
                        yield
        finally:
            connections[DEFAULT_DB_ALIAS] = page


@contextmanager
def _savepoint(connection: Any, neighbours: int, seconds: float | None) -> Iterator[None]:
    """Its end takes the settings back; inside a transaction only a rollback does. A failed statement harms nothing."""
    limits = {} if seconds is None else time_limits(seconds)
    is_inside = in_transaction()
    with transaction.atomic():
        configure(connection, index_settings(neighbours) | limits, is_local=True)
        with _opened(neighbours):
            yield
        if is_inside:
            transaction.set_rollback(True)


@contextmanager
def _opened(neighbours: int) -> Iterator[None]:
    before, _open.neighbours = _open.neighbours, neighbours
    try:
        yield
    finally:
        _open.neighbours = before


@contextmanager
def _more(neighbours: int) -> Iterator[None]:
    """Inside a block: index scans find up to `neighbours`, where the block around asked for fewer."""
    before = _open.neighbours or 0
    connection = connections[DEFAULT_DB_ALIAS]
    if max(conf.HNSW_EF_SEARCH, before) >= neighbours:
        yield
        return
    is_local = connection.in_atomic_block
    configure(connection, index_settings(neighbours), is_local=is_local)
    try:
        with _opened(neighbours):
            yield
    finally:
        if not is_local:
            with suppress(Error):  # a connection that was cut is not used again
                configure(connection, index_settings(before), is_local=False)
