"""EmbeddingTable → a ModelVersion in Postgres: vectors, pairs, visitor vectors and artifacts, all or nothing."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray

from recommender.catalog import key_field
from recommender.conf import conf
from recommender.encoders.tables import VISITORS_AT_ONCE, EmbeddingTable
from recommender.exceptions import DimensionMismatch, InvalidVectors
from recommender.index.locks import lock_until_commit
from recommender.index.partitions import (
    HNSW_MAX_DIM,
    attach_partition,
    build_hnsw,
    create_partition,
    fill_partition,
    pack_vectors,
)
from recommender.models import (
    ItemEmbedding,
    ItemPair,
    ModelArtifact,
    ModelVersion,
    TrainingRun,
    Visitor,
    VisitorEmbedding,
)


@transaction.atomic
def write_version(run: TrainingRun, table: EmbeddingTable, verdict: dict[str, Any]) -> ModelVersion:
    """Write one trained version; it is not live yet. A run that has written its version gets that one back.

    Args:
        verdict: JSON-ready, see `ModelVersion.verdict`.
    Raises:
        DimensionMismatch: the columns of the table do not fit together.
        InvalidVectors: a vector is NaN, infinite or zero.
    """
    # Two attempts at one run (a worker that was given up and still goes on): the second finds the first's version.
    lock_until_commit(f"run:{run.pk}")
    if written := ModelVersion.objects.filter(run=run).first():
        return written
    _check(table)
    version = _create(run, table, verdict)
    keys = shop_keys(table.item)
    _write_items(version, table, keys)
    _write_pairs(version, table)
    _write_visitors(version, table)
    return version


def _create(run: TrainingRun, table: EmbeddingTable, verdict: dict[str, Any]) -> ModelVersion:
    items, dim = table.vector.shape
    version = ModelVersion.objects.create(
        run=run,
        dim=dim,
        has_ann_index=items >= conf.HNSW_MIN_ITEMS and dim <= HNSW_MAX_DIM,
        item_count=items,
        visitor_count=len(table.visitor),
        parts=[{"name": p.name, "start": p.start, "stop": p.stop, "weight": p.weight} for p in table.parts],
        ranker=table.ranker,
        events_until=_moment(table),
        verdict=verdict,
    )
    ModelArtifact.objects.bulk_create(
        ModelArtifact(version=version, name=name, sha256=hashlib.sha256(content).hexdigest(), content=content)
        for name, content in table.artifacts.items()
    )
    return version


def _moment(table: EmbeddingTable) -> datetime | None:
    return None if table.events_until is None else datetime.fromtimestamp(table.events_until, UTC)


def _write_items(version: ModelVersion, table: EmbeddingTable, keys: list[Any]) -> None:
    create_partition(ItemEmbedding, version.pk)
    columns = {
        "item_id": keys,
        "vector": pack_vectors(table.vector),
        "popularity": table.popularity.tolist(),
        "is_cold": table.is_cold.tolist(),
        "row": range(1, len(keys) + 1),
        "statistics": [row.tobytes() for row in table.statistics.astype("<f4")],
        "links": table.links,
    }
    fill_partition(ItemEmbedding, version.pk, list(columns), zip(*columns.values(), strict=True))
    if version.has_ann_index:
        build_hnsw(version.pk, version.dim)
    attach_partition(ItemEmbedding, version.pk)


def _write_pairs(version: ModelVersion, table: EmbeddingTable) -> None:
    create_partition(ItemPair, version.pk)
    columns = (
        shop_keys(table.pair_item),
        shop_keys(table.pair_other),
        table.pair_score.tolist(),
        table.pair_support.tolist(),
    )
    fill_partition(ItemPair, version.pk, ("item_id", "other_id", "score", "support"), zip(*columns, strict=True))
    attach_partition(ItemPair, version.pk)


def _write_visitors(version: ModelVersion, table: EmbeddingTable) -> None:
    create_partition(VisitorEmbedding, version.pk)
    fill_partition(VisitorEmbedding, version.pk, ("visitor_id", "vector", "updated_at"), _visitor_rows(table))
    with connection.cursor() as cursor:
        # ATTACH would take this lock anyway; from here on no visitor can vanish between the check and the foreign key.
        cursor.execute(f"LOCK TABLE {Visitor._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            f"DELETE FROM {VisitorEmbedding._meta.db_table}_v{version.pk} AS own"  # noqa: S608  names of our own
            f" WHERE NOT EXISTS (SELECT FROM {Visitor._meta.db_table} WHERE id = own.visitor_id)"
        )
    attach_partition(VisitorEmbedding, version.pk)


def _visitor_rows(table: EmbeddingTable) -> Iterator[tuple[Any, ...]]:
    now = timezone.now()
    for at in range(0, len(table.visitor), VISITORS_AT_ONCE):
        few = slice(at, at + VISITORS_AT_ONCE)
        vectors = table.visitor_vector[few]
        _check_vectors(vectors)
        for visitor, vector in zip(table.visitor[few].tolist(), pack_vectors(vectors), strict=True):
            yield visitor, vector, now


def shop_keys(column: NDArray[np.generic]) -> list[Any]:
    """The shop's keys in their own type: integers as they are, text back to UUIDs where the shop has UUIDs.

    They are keys already: no validator is asked, which a row that is older than it may not pass.
    """
    return column.tolist() if column.dtype.kind in "iu" else list(map(key_field().to_python, column.tolist()))


def _check(table: EmbeddingTable) -> None:
    items, dim = table.vector.shape
    columns = (table.item, table.popularity, table.statistics, table.links, table.is_cold)
    lengths = {len(column) for column in columns}
    if lengths != {items} or table.visitor_vector.shape != (len(table.visitor), dim):
        raise DimensionMismatch(DimensionMismatch.__doc__)
    _check_vectors(table.vector)
    if not np.all(np.isfinite(table.popularity)):
        raise InvalidVectors(InvalidVectors.__doc__)


def _check_vectors(vectors: NDArray[np.float32]) -> None:
    norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
    if not np.all(np.isfinite(norms) & (norms > 0)):
        raise InvalidVectors(InvalidVectors.__doc__)
