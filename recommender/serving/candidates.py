"""Retrieval: the few hundred available items that are worth ranking, with all that the ranker wants to know of them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.dataset.cold_items import ColdItems
from recommender.dataset.link_packing import strongest
from recommender.dataset.ranking_features import (
    COLD_CANDIDATES,
    LINKED,
    LINKS,
    SIMILARITIES,
    STATISTICS,
    Floats,
    part_similarities,
)
from recommender.index.nearest import NAMED, NEAREST, NEWCOMERS, NUMBERED, POPULAR, Row, Vector, compare
from recommender.index.partitions import unpack_vectors
from recommender.models import ModelVersion, SavedFilter
from recommender.telemetry import count_candidates

POPULAR_CANDIDATES: Final = 50
EVER: Final = LINKS.index("ease_ever")
UNKNOWN: Final = bytes(4 * len(STATISTICS))


@dataclass(frozen=True, slots=True)
class Linked:
    """Where the visitor's items lead.

    Attributes:
        rows, strengths: [n] ascending item rows and [n, len(LINKS)], from the newest items.
        ever: (the same [m], [m]) of "ease_ever" from all items; None: the newest stand for all.
    """

    rows: NDArray[np.int64]
    strengths: Floats
    ever: tuple[NDArray[np.int64], Floats] | None = None

    def strongest(self) -> NDArray[np.int64]:
        """The rows that are candidates, ascending."""
        if self.ever is None:
            return strongest(self.rows, self.strengths, LINKED)
        rows, strengths = self.ever
        of_newest = strongest(self.rows, np.delete(self.strengths, EVER, axis=1), LINKED)
        return np.union1d(of_newest, strongest(rows, strengths[:, None], LINKED))

    def of(self, rows: NDArray[np.int64]) -> Floats:
        """[n, len(LINKS)] strengths of these rows, 0 where nothing leads there."""
        found = _looked_up(self.rows, self.strengths, rows)
        if self.ever is not None:
            found[:, EVER] = _looked_up(self.ever[0], self.ever[1][:, None], rows)[:, 0]
        return found


@dataclass(frozen=True, slots=True)
class Candidates:
    """Row i of every array belongs to item[i], the shop's key.

    Attributes:
        similarity: [n, len(SIMILARITIES)]. links: [n, len(LINKS)]. statistics: [n, len(STATISTICS)].
        row: [n] number in the version. vectors: [n, dim], as stored.
        wanted, found: source (`nearest.NEAREST` …) → how many it was asked for, and found; an item may have several.
    """

    item: list[Any]
    similarity: Floats
    links: Floats
    statistics: Floats
    row: NDArray[np.int64]
    vectors: Floats
    wanted: Mapping[int, int] = field(default_factory=dict)
    found: Mapping[int, int] = field(default_factory=dict)


def retrieve(
    version: ModelVersion,
    vector: Vector,
    linked: Linked,
    own: Collection[Any],
    exclude: Collection[Any],
    *,
    cold: ColdItems | None = None,
    toward: Vector | None = None,
    within: SavedFilter | None = None,
    only: Collection[Any] | None = None,
) -> Candidates:
    """The CANDIDATES nearest to `vector` [dim], what the newest items lead to, the most popular, the visitor's `own`
    items, and those that nobody has taken or that came after the training, as far as available.

    Args:
        cold: what nobody has taken; None where the version does not say.
        toward: [dim] looked around instead; what is found is still compared with `vector`.
        within: only items of this filter.
        only: keys; these items, as far as the version knows them, and no others.
    """
    nearest, popular, newcomers = (conf.CANDIDATES, POPULAR_CANDIDATES, COLD_CANDIDATES) if only is None else (0, 0, 0)
    named, numbered = (own, _numbered(linked, cold, vector)) if only is None else (only, [])
    found = compare(
        version,
        vector if toward is None else toward,
        nearest=nearest,
        popular=popular,
        named=named,
        numbered=numbered,
        newcomers=newcomers,
        exclude=exclude,
        within=within,
    )
    rows = list({row.item_id: row for row in found}.values())  # an item comes once, whichever source named it
    count_candidates(len(found), len(rows))
    if not rows:
        return _none(version)
    numbers = np.array([row.row for row in rows], dtype=np.int64)
    vectors = unpack_vectors([row.vector for row in rows])
    parts = [(part["name"], part["start"], part["stop"], part["weight"]) for part in version.parts]
    return Candidates(
        item=[row.item_id for row in rows],
        similarity=part_similarities(vectors, vector, parts),
        links=linked.of(numbers),
        statistics=_statistics(rows),
        row=numbers,
        vectors=vectors,
        wanted={
            NEAREST: nearest,
            POPULAR: popular,
            NAMED: len(named),
            NUMBERED: len(numbered),
            NEWCOMERS: newcomers,
        },
        found=Counter(row.source for row in found),
    )


def _numbered(linked: Linked, cold: ColdItems | None, vector: Vector) -> list[int]:
    rows: list[int] = linked.strongest().tolist()
    return rows if cold is None else list({*rows, *cold.nearest(vector).tolist()})


def _none(version: ModelVersion) -> Candidates:
    similarity, links, statistics, vectors = (
        np.zeros((0, width), np.float32) for width in (len(SIMILARITIES), len(LINKS), len(STATISTICS), version.dim)
    )
    return Candidates([], similarity, links, statistics, np.zeros(0, np.int64), vectors)


def _looked_up(known: NDArray[np.int64], values: Floats, rows: NDArray[np.int64]) -> Floats:
    """[rows, columns] of `values` [known, columns], 0 for unknown rows."""
    if not len(known):
        return np.zeros((len(rows), values.shape[1]), dtype=np.float32)
    place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where((known[place] == rows)[:, None], values[place], np.float32(0.0))


def _statistics(rows: list[Row]) -> Floats:
    packed = b"".join([row.statistics or UNKNOWN for row in rows])
    return np.frombuffer(packed, dtype="<f4").reshape(len(rows), -1)
