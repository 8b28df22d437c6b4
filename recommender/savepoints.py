"""Our part of the shop's transaction: whether there is one, and how we may fail without it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connection, transaction


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
