"""The whole database as plain text, as a dump for a backup holds it."""

from django.db import connection


def dump_database() -> str:
    """COPY of every table of the schema; partitions by their parents."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace"
        )
        tables = [name for (name,) in cursor.fetchall()]
        lines = []
        for table in tables:
            with cursor.copy(f"COPY (SELECT * FROM {table}) TO STDOUT") as copy:
                lines += [f"-- {table}", b"".join(copy).decode()]
    return "\n".join(lines)
