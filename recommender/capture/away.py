"""Which errors of the database say that it takes nothing right now, whatever the rows are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import Error, InterfaceError, InternalError, OperationalError
from psycopg.errors import LockNotAvailable, ReadOnlySqlTransaction

from recommender.conf import conf

AWAY: Final = (OperationalError, InterfaceError)  # the server, not the rows


@contextmanager
def read_only_is_away() -> Iterator[None]:
    """A server that only reads, a standby after a failover say, takes no events: to us it is as good as gone.

    Raises:
        OperationalError: it refused to write.
    """
    try:
        yield
    except InternalError as error:
        if not isinstance(error.__cause__, ReadOnlySqlTransaction):
            raise
        raise OperationalError(*error.args) from error


def is_locked(error: Error) -> bool:
    """Whether it is one row that cannot be had right now, and not the server."""
    return isinstance(error.__cause__, LockNotAvailable)


def lock_ms() -> int:
    """How long to wait for a row that another transaction holds: less than what makes the server count as away."""
    return int(conf.CAPTURE_BUDGET_MS / 2)
