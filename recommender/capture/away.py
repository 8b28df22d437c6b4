"""Which errors of the database say that it takes nothing right now, whatever the rows are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import InterfaceError, InternalError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction

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
