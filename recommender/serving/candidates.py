"""Retrieval: the few hundred available items that are worth ranking, in one statement."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db.models import QuerySet, SmallIntegerField, Value
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.index.nearest import Vector, available_embeddings, with_distance
from recommender.models import ModelVersion

POPULAR_CANDIDATES: Final = 50
NEAREST, POPULAR, OWN = range(3)  # which source found a row


@dataclass(frozen=True, slots=True)
class Candidates:
    """item: the shop's keys; similarity, popularity: [n] float32, row i belongs to item[i]."""

    item: list[Any]
    similarity: NDArray[np.float32]
    popularity: NDArray[np.float32]


def retrieve(version: ModelVersion, vector: Vector, own: Collection[Any], exclude: Collection[Any]) -> Candidates:
    """The nearest CANDIDATES to `vector` [dim], the most popular and the visitor's `own` items, as far as available."""
    rows = _rows(version, vector, own, exclude, exact=not version.has_ann_index)
    if version.has_ann_index and sum(row[3] == NEAREST for row in rows) < conf.CANDIDATES:
        # A filter that leaves few items ends the index scan early: those few are cheap to compare exactly.
        rows = _rows(version, vector, own, exclude, exact=True)
    found = {row[0]: row for row in rows}  # an item comes once, whichever source named it
    return Candidates(
        item=list(found),
        similarity=1 - np.array([row[1] for row in found.values()], dtype=np.float32),
        popularity=np.array([row[2] for row in found.values()], dtype=np.float32),
    )


def _rows(
    version: ModelVersion, vector: Vector, own: Collection[Any], exclude: Collection[Any], *, exact: bool
) -> list[tuple[Any, float, float, int]]:
    """(item key, distance, popularity, source) of the three sources, duplicates included."""
    available = available_embeddings(version, exclude)
    searched = with_distance(available, version, vector, exact=exact)
    compared = with_distance(available, version, vector)
    nearest = _columns(searched, NEAREST).order_by("distance")[: conf.CANDIDATES]
    popular = _columns(compared, POPULAR).order_by("-popularity")[:POPULAR_CANDIDATES]
    mine = _columns(compared.filter(item_id__in=list(own)), OWN)
    sources: Iterable[Any] = (popular, mine) if own else (popular,)
    return list(nearest.union(*sources, all=True))


def _columns(rows: "QuerySet[Any]", source: int) -> "QuerySet[Any]":
    marked: QuerySet[Any] = rows.annotate(source=Value(source, output_field=SmallIntegerField()))
    return marked.values_list("item_id", "distance", "popularity", "source")
