"""Cosine neighbours in Postgres, joined with what the shop can sell right now."""

from collections.abc import Collection
from typing import Any

import numpy as np
from django.db.models import F, QuerySet
from django.db.models.functions import Cast
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from recommender.catalog import get_catalog, item_model
from recommender.index.reading import reading
from recommender.models import ItemEmbedding, ModelVersion

Vector = NDArray[np.float32]


def available_items() -> "QuerySet[Any]":
    """The shop's items that may be shown right now."""
    return get_catalog().available(item_model()._default_manager.all())


def available_embeddings(version: ModelVersion, exclude: Collection[Any] = ()) -> "QuerySet[ItemEmbedding]":
    """The version's vectors whose item may be shown right now."""
    rows = ItemEmbedding.objects.filter(version_id=version.pk, item__in=available_items().values("pk"))
    return rows.exclude(item_id__in=list(exclude)) if exclude else rows


def with_distance(
    rows: "QuerySet[ItemEmbedding]", version: ModelVersion, vector: Vector, *, exact: bool = True
) -> "QuerySet[Any]":
    """Annotate `distance` = 1 - cosine to `vector` [dim]; `exact=False` may use the HNSW index to order by it."""
    # The index stands on this very cast; without it Postgres compares with every row, and is always right.
    column: Any = F("vector") if exact else Cast("vector", HalfVectorField(dimensions=version.dim))
    return rows.annotate(distance=CosineDistance(column, HalfVector(vector)))


def nearest(version: ModelVersion, vector: Vector, n: int, *, exclude: Collection[Any] = ()) -> list[tuple[Any, float]]:
    """The `n` available items with the highest cosine to `vector` [dim]: (item key, cosine), best first.

    Fewer than `n` only where fewer are available: what an approximate search leaves short is searched exactly.
    """
    rows = available_embeddings(version, exclude)
    with reading(neighbours=n):
        for exact in (False, True) if version.has_ann_index else (True,):
            scored = with_distance(rows, version, vector, exact=exact).order_by("distance")
            found = list(scored.values_list("item_id", "distance")[:n])
            if len(found) >= n:
                break
    found.sort(key=lambda pair: pair[1])  # a relaxed index scan is only nearly in order
    return [(item_id, 1.0 - distance) for item_id, distance in found]


def item_vector(version: ModelVersion, item_id: Any) -> Vector | None:
    """[dim] float32; None where the version does not know the item."""
    row = ItemEmbedding.objects.filter(version_id=version.pk, item_id=item_id).values_list("vector", flat=True).first()
    return None if row is None else np.array(row, dtype=np.float32)


def similar(version: ModelVersion, item_id: Any, n: int, *, exclude: Collection[Any] = ()) -> list[tuple[Any, float]]:
    """The `n` available items most like this one: (item key, cosine), best first; [] where it has no vector."""
    vector = item_vector(version, item_id)
    return [] if vector is None else nearest(version, vector, n, exclude={*exclude, item_id})
