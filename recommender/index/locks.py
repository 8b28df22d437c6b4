"""Locks that end with the transaction, so that a connection pooler cannot strand them."""

from django.db import connection


def lock_until_commit(name: str) -> None:
    """Wait until nobody else holds `name`; needs a transaction. Unlike a row lock it does not stop heartbeats."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"recommender:{name}"])
