"""Cosine neighbours in Postgres, joined with what the shop can sell right now.

The statement is written by hand, not by the ORM: it is the hot path of every personal list, where building it through
querysets took 2 ms of CPU, as much as everything else of the retrieval together. Numbers that decide its plan are
written out.
"""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from numpy.typing import NDArray

from recommender.catalog import get_catalog, key_field, shop_items
from recommender.index.partitions import pack_vectors
from recommender.index.planned import fetch, written_out
from recommender.index.reading import reading
from recommender.models import ItemEmbedding, ModelVersion, SavedFilter

Vector = NDArray[np.float32]


class Row(NamedTuple):
    """An item with its vector, as packed by halfvec_send, and what the ranker knows of it (None in old versions)."""

    item_id: Any
    distance: float  # cosine distance of what is nearest, 0 for what another source found
    source: int
    row: int  # its number in the version
    vector: bytes
    statistics: bytes | None


NEAREST, POPULAR, NAMED, NUMBERED, NEWCOMERS = range(5)  # the source that found a row

# The HNSW index stands on this very cast; without it Postgres compares with every row, and is always right.
_INDEXED: Final = "(own.vector::halfvec({dim})) <=> %(vector)s::halfvec({dim})"
_EXACT: Final = "own.vector <=> %(vector)s::halfvec({dim})"
_SOURCE: Final = """
(SELECT own.item_id, {distance} AS distance, {source} AS source, own.row, halfvec_send(own.vector), own.statistics
FROM recommender_itemembedding AS own
WHERE own.version_id = {version} AND own.item_id IN ({available}) AND own.item_id <> ALL (%(exclude)s::{key}[]) {rest})
"""
_REST: Final = {
    NEAREST: "ORDER BY distance LIMIT {n}",
    POPULAR: "ORDER BY own.popularity DESC LIMIT {n}",
    NAMED: "AND own.item_id = ANY (%(named)s::{key}[])",
    NUMBERED: "AND own.row = ANY (%(numbered)s::int[])",
    NEWCOMERS: "AND own.row > {trained} ORDER BY own.row DESC LIMIT {n}",
}


def available_items(within: SavedFilter | None = None) -> "QuerySet[Any]":
    """The shop's items that may be shown right now, in no order; only those of a filter, where one is given."""
    # An ordering of the shop's (Meta.ordering) would make Postgres sort the whole catalogue for every list.
    items = get_catalog().available(shop_items()).order_by()
    return items if within is None else within.narrow(items)


def nearest(version: ModelVersion, vector: Vector, n: int, *, exclude: Collection[Any] = ()) -> list[tuple[Any, float]]:
    """The `n` available items with the highest cosine to `vector` [dim]: (item key, cosine), best first.

    Fewer than `n` only where fewer are available.
    """
    with reading(neighbours=n):
        rows = compare(version, vector, nearest=n, exclude=exclude)
    rows.sort(key=lambda row: row.distance)  # a relaxed index scan is only nearly in order
    return [(row.item_id, 1.0 - row.distance) for row in rows]


def likeness(version: ModelVersion, vectors: Vector) -> Vector:
    """[..., dim] unit norm: items' vectors without their popularity, which says nothing of what an item is like."""
    alike = vectors.copy()
    for part in version.parts:
        if part["name"] == "popularity":
            alike[..., part["start"] : part["stop"]] = 0.0
    norm = np.linalg.norm(alike, axis=-1, keepdims=True)
    return np.where(norm > 0, alike / np.maximum(norm, 1e-9), vectors).astype(np.float32)


def item_vectors(version: ModelVersion, item_ids: Collection[Any]) -> Vector:
    """[k, dim] float32 of those of the items that the version knows, in no order."""
    rows = ItemEmbedding.objects.filter(version_id=version.pk, item_id__in=item_ids).values_list("vector", flat=True)
    return np.array(list(rows), dtype=np.float32).reshape(-1, version.dim)


def similar(version: ModelVersion, item_id: Any, n: int) -> list[tuple[Any, float]]:
    """The `n` available items most like this one, see `nearest`; [] where the version does not know it."""
    vectors = item_vectors(version, [item_id])
    return nearest(version, likeness(version, vectors[0]), n, exclude=[item_id]) if len(vectors) else []


def compare(
    version: ModelVersion,
    vector: Vector,
    *,
    nearest: int,
    popular: int = 0,
    named: Collection[Any] = (),
    numbered: Collection[int] = (),
    newcomers: int = 0,
    exclude: Collection[Any] = (),
    within: SavedFilter | None = None,
) -> list[Row]:
    """Available items: the nearest to `vector` [dim], the most popular, those named by key, those named by their number
    in the version, and the newest `newcomers` that came after its training.

    One statement; an item comes once for every source that finds it. Run it inside `reading`, which sets how many
    neighbours an index scan finds; where a filter leaves that scan short, the few items left are compared exactly.
    """
    counts = {
        NEAREST: nearest,
        POPULAR: popular,
        NAMED: len(named),
        NUMBERED: len(numbered),
        NEWCOMERS: newcomers,
    }
    wanted = {source: n for source, n in counts.items() if n}
    if not wanted:
        return []
    parameters = {
        "vector": pack_vectors(vector[None])[0],
        "exclude": list(exclude),
        "named": list(named),
        "numbered": list(numbered),
    }
    items = available_items(within)
    rows = _run(version, wanted, parameters, items, exact=not version.has_ann_index)
    if version.has_ann_index and nearest and sum(row.source == NEAREST for row in rows) < nearest:
        rows = _run(version, wanted, parameters, items, exact=True)
    return rows


def _run(
    version: ModelVersion, wanted: dict[int, int], parameters: dict[str, Any], items: "QuerySet[Any]", *, exact: bool
) -> list[Row]:
    """wanted: source → how many of it."""
    try:
        available = written_out(*items.values("pk").query.sql_with_params())
    except EmptyResultSet:  # `available` returned `none()`
        return []
    key = key_field().rel_db_type(connection)
    distance = (_EXACT if exact else _INDEXED).format(dim=version.dim)
    statements = [
        _SOURCE.format(
            distance=distance if source == NEAREST else "0::float8",
            source=source,
            version=int(version.pk),
            available=available,
            key=key,
            rest=_REST[source].format(key=key, n=n, trained=int(version.item_count)),
        )
        for source, n in wanted.items()
    ]
    return list(map(Row._make, fetch(" UNION ALL ".join(statements), parameters)))
