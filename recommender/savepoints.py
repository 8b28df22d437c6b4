"""A part of a transaction that may fail without the rest."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.db import connection, transaction


def unharmed() -> AbstractContextManager[Any]:
    """A savepoint inside a transaction, so that what comes after a failure goes on all the same; outside, nothing."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
