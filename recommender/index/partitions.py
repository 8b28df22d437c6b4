"""One partition a version: filled as a table of its own, attached whole, dropped whole. Nobody reads a half version.

Locks: filling and indexing touch only the new table. ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, so reading
pages go on; its foreign keys stop writers of the referenced table (new visitors) until the commit, so it comes last.
DROP needs ACCESS EXCLUSIVE on the parent for a moment, and gives up after DROP_LOCK_MS rather than make pages queue.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from django.db import OperationalError, connection, models, transaction
from django.db.backends.utils import CursorWrapper
from numpy.typing import NDArray
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.errors import DiskFull
from psycopg.pq import Format

from recommender.models import ItemEmbedding, ItemPair, ModelVersion, VisitorEmbedding

PARTITIONED: Final[tuple[type[models.Model], ...]] = (ItemEmbedding, VisitorEmbedding, ItemPair)
DROP_LOCK_MS: Final = 100
OLDEST_PGVECTOR: Final = (0, 8, 5)  # older ones have known corruption and overflow bugs in HNSW
# Of maintenance_work_mem, for a build that does not spill: an item's vector, its 32 neighbours and what holds them.
HNSW_ITEM_BYTES: Final = 1_000  # beside the vector; pgvector 0.8
HNSW_MEMORY_MB: Final = (64, 3_072)  # at least and at most
HNSW_MAX_DIM: Final = 4_000  # pgvector's limit for halfvec


def has_known_bugs(pgvector: str) -> bool:
    """Whether this version of the extension, as "0.8.5", is older than OLDEST_PGVECTOR."""
    return tuple(int(number) for number in re.findall(r"\d+", pgvector)[:3]) < OLDEST_PGVECTOR


class PackedVector(bytes):
    """A halfvec in Postgres' binary format."""


class PackedVectorDumper(Dumper):
    """For `%s::halfvec(dim)`, where Postgres knows the type: as text, to write and to read one takes .5 ms, not .03."""

    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


def pack_vectors(vectors: NDArray[np.float32]) -> list[PackedVector]:
    """[n, dim] → n halfvecs: int16 dim, int16 zero, dim × float16, all big-endian."""
    packed = np.zeros((len(vectors), 2 + vectors.shape[1]), dtype=">i2")
    packed[:, 0] = vectors.shape[1]
    packed[:, 2:] = vectors.astype(">f2").view(">i2")
    return [PackedVector(row.tobytes()) for row in packed]


def unpack_vectors(packed: Sequence[bytes]) -> NDArray[np.float32]:
    """What `halfvec_send(vector)` returned for n > 0 vectors of one version → [n, dim] float32."""
    return np.frombuffer(b"".join(packed), dtype=">f2").reshape(len(packed), -1)[:, 2:].astype(np.float32)


def partition_name(model: type[models.Model], version_id: int) -> str:
    return f"{model._meta.db_table}_v{version_id}"


def create_partition(model: type[models.Model], version_id: int) -> None:
    """A standalone table with the parent's columns and indexes; its CHECK makes the later ATTACH instant."""
    statement = sql.SQL(
        "CREATE TABLE {table} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,"
        " CHECK (version_id = {version}))"
    )
    _execute(statement, model, version_id)


def fill_partition(
    model: type[models.Model], version_id: int, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Binary COPY; every row starts with the version and goes on with `columns`."""
    table = sql.Identifier(partition_name(model, version_id))
    names = sql.SQL(", ").join(map(sql.Identifier, ["version_id", *columns]))
    with connection.cursor() as cursor:
        types = _column_types(cursor, table, names)
        copy_into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, names)
        with cursor.copy(copy_into) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row((version_id, *row))


def _column_types(cursor: CursorWrapper, table: sql.Identifier, names: sql.Composed) -> list[int]:
    """The type oids of the columns; teaches this cursor to send PackedVector as the database's halfvec."""
    cursor.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(names, table))
    types = [column.type_code for column in cursor.description]
    cursor.execute("SELECT 'halfvec'::regtype::oid")
    with_type = type("TypedDumper", (PackedVectorDumper,), {"oid": cursor.fetchone()[0]})
    cursor.cursor.adapters.register_dumper(PackedVector, with_type)
    return types


def build_hnsw(version_id: int, dim: int) -> None:
    """Cosine HNSW over the version's item vectors; `nearest` repeats the cast, else Postgres cannot use the index."""
    statement = sql.SQL("CREATE INDEX ON {table} USING hnsw ((vector::halfvec({dim})) halfvec_cosine_ops)")
    items = ModelVersion.objects.values_list("item_count", flat=True).get(pk=version_id)
    _set_local("maintenance_work_mem", f"{hnsw_memory_mb(items, dim)}MB")
    try:
        with transaction.atomic():
            _execute(statement, ItemEmbedding, version_id, dim=sql.Literal(dim))
    except OperationalError as error:
        if not isinstance(error.__cause__, DiskFull):
            raise
        # Processes that build together share that memory, and a container often has 64 MB to share. One needs none.
        _set_local("max_parallel_maintenance_workers", "0")
        _execute(statement, ItemEmbedding, version_id, dim=sql.Literal(dim))


def hnsw_memory_mb(items: int, dim: int) -> int:
    """That a build over so many vectors may take."""
    least, most = HNSW_MEMORY_MB
    return min(max(items * (2 * dim + HNSW_ITEM_BYTES) // 10**6, least), most)


def attach_partition(model: type[models.Model], version_id: int) -> None:
    """Make the filled table part of its parent; seen by others at the commit."""
    _execute(sql.SQL("ANALYZE {table}"), model, version_id)
    _execute(sql.SQL("ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES IN ({version})"), model, version_id)


def drop_partitions(version_id: int) -> None:
    """Drop the version's three partitions; no error where one is gone already.

    Raises:
        OperationalError: a long reader holds a table: nothing was dropped, try later.
    """
    _set_local("lock_timeout", f"{DROP_LOCK_MS}ms")
    for model in PARTITIONED:
        _execute(sql.SQL("DROP TABLE IF EXISTS {table}"), model, version_id)


def has_partition(version_id: int) -> bool:
    """Whether the version's item vectors are there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [partition_name(ItemEmbedding, version_id)])
        return bool(cursor.fetchone()[0])


def _set_local(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [name, value])


def _execute(statement: sql.SQL, model: type[models.Model], version_id: int, **parts: sql.Composable) -> None:
    composed = statement.format(
        table=sql.Identifier(partition_name(model, version_id)),
        parent=sql.Identifier(model._meta.db_table),
        version=sql.Literal(version_id),
        **parts,
    )
    with connection.cursor() as cursor:
        cursor.execute(composed)
