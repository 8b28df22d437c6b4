"""The hot statements of a list: planned once for each of our connections, parameters and results in binary.

Django binds parameters on the client, so Postgres plans every statement anew, and bytes travel as text in twice the
length. For a visitor's history and candidates that was a fifth of the database's work on a list.
"""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from django.db import connection

from recommender.catalog import key_field
from recommender.index.partitions import PackedVector, PackedVectorDumper

# As often as a connection has seen a statement before it is planned for good: what a shop's `available` compares with
# the time of day is another statement each time.
SEEN_BEFORE: Final = 2
LOADED: Final = ("smallint", "integer", "bigint", "uuid", "varchar", "text")  # key types that psycopg reads from binary


class _ServerCursor(psycopg.Cursor[Any]):
    """Parameters are bound by the server, whatever the connection's own cursors do."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, binary=is_read_from_binary(), **options)


def fetch(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
    """All rows. `statement` must be the same text each time, with what decides its plan written out."""
    with connection.cursor() as cursor:
        cursor.cursor = _ServerCursor(connection.connection)  # inside Django's, which keeps time limits and logs
        cursor.cursor.adapters.register_dumper(PackedVector, PackedVectorDumper)
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def written_out(sql: str, parameters: Sequence[Any]) -> str:
    """A part of a statement that Django built, with its parameters in it: Django gives them no types, which only a
    client can do without."""
    connection.ensure_connection()
    return psycopg.ClientCursor(connection.connection).mogrify(sql, parameters).replace("%", "%%")


def is_read_from_binary() -> bool:
    """Whether the shop's keys are of a type that comes back in binary as what Django makes of it."""
    return str(key_field().rel_db_type(connection)).startswith(LOADED)
