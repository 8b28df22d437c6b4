"""Retrieval: the few hundred available items that are worth ranking."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.index.nearest import Vector, compare
from recommender.models import ModelVersion

POPULAR_CANDIDATES: Final = 50


@dataclass(frozen=True, slots=True)
class Candidates:
    """item: the shop's keys; similarity, popularity: [n] float32, row i belongs to item[i]."""

    item: list[Any]
    similarity: NDArray[np.float32]
    popularity: NDArray[np.float32]


def retrieve(version: ModelVersion, vector: Vector, own: Collection[Any], exclude: Collection[Any]) -> Candidates:
    """The nearest CANDIDATES to `vector` [dim], the most popular and the visitor's `own` items, as far as available."""
    rows = compare(version, vector, nearest=conf.CANDIDATES, popular=POPULAR_CANDIDATES, named=own, exclude=exclude)
    found = {row[0]: row for row in rows}  # an item comes once, whichever source named it
    return Candidates(
        item=list(found),
        similarity=1 - np.array([row[1] for row in found.values()], dtype=np.float32),
        popularity=np.array([row[2] for row in found.values()], dtype=np.float32),
    )
