"""A block of reads with limits of its own, which leaves no trace in the shop's transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from recommender.conf import conf

MAX_EF_SEARCH = 1_000  # pgvector's limit


@contextmanager
def reading(limit_ms: int | None = None, neighbours: int = 0) -> Iterator[None]:
    """Reads inside are cut off after `limit_ms` each and find up to `neighbours` through an HNSW index.

    The block is always rolled back: that is what takes the settings back when it is a savepoint inside the shop's own
    transaction (ATOMIC_REQUESTS), and a failed statement does not poison that transaction.

    Raises:
        OperationalError: a statement or the wait for a lock took longer than `limit_ms`.
    """
    settings = {
        # An index scan that a filter leaves short goes on instead of returning fewer rows.
        "hnsw.iterative_scan": "relaxed_order",
        "hnsw.ef_search": str(min(max(conf.HNSW_EF_SEARCH, neighbours), MAX_EF_SEARCH)),
    }
    if limit_ms is not None:
        settings |= {"statement_timeout": f"{limit_ms}ms", "lock_timeout": f"{limit_ms}ms"}
    with transaction.atomic():
        with connection.cursor() as cursor:
            calls = ", ".join(["set_config(%s, %s, true)"] * len(settings))
            cursor.execute(f"SELECT {calls}", [word for pair in settings.items() for word in pair])
        yield
        transaction.set_rollback(True)
