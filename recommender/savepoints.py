"""Our part of the shop's transaction: whether there is one, and how we may fail without it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from django.db import connection, transaction

_LIMIT_LOCKS: Final = """
SELECT setting, set_config('lock_timeout',
    CASE WHEN setting::integer BETWEEN 1 AND %(most)s THEN setting ELSE %(most)s::text END, true)
FROM pg_settings WHERE name = 'lock_timeout'
"""


def in_transaction() -> bool:
    """Whether what we write is the shop's to commit: in a block of `atomic`, or where it commits by hand.

    Asks nothing of the server, and connects to none.
    """
    if connection.in_atomic_block:
        return True
    is_connected = connection.connection is not None
    return not (connection.autocommit if is_connected else connection.settings_dict["AUTOCOMMIT"])


def unharmed() -> AbstractContextManager[Any]:
    """A savepoint inside a transaction, so that what comes after a failure goes on all the same; outside, nothing."""
    return transaction.atomic() if in_transaction() else nullcontext()


@contextmanager
def impatient(lock_ms: int) -> Iterator[None]:
    """A savepoint, or a transaction of its own, that waits `lock_ms` for a lock at most; then the shop's limit holds.

    Raises:
        OperationalError: somebody holds the lock for longer; what was done inside is undone, the rest is whole.
    """
    with transaction.atomic(), connection.cursor() as cursor:  # a rollback takes the setting back, too
        cursor.execute(_LIMIT_LOCKS, {"most": lock_ms})
        before, _limit = cursor.fetchone()
        yield
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
