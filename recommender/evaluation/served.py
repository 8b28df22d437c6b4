"""The ranker's order of a request, for many visitors at once.

Candidates come from the vectors, the links of the newest items, the popular, the visitor's own and what nobody has
taken yet; the ranker scores them. Fitting and judging go through the same candidates and features as a request. Two
things that a request does besides are left out: what is unavailable is not dropped, and repeats are not held to
REPEAT_SHARE.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS
from recommender.dataset.cold_items import ColdItems
from recommender.dataset.distinct import distinct
from recommender.dataset.graph import binary_matrix
from recommender.dataset.ranking_features import (
    LINKED,
    LINKED_ITEMS,
    RELATIONS,
    WINDOWS,
    link_weights,
    nothing_owned,
    own_facts,
    part_similarities,
    rank_candidates,
    ranking_features,
    strongest_own,
)
from recommender.dataset.sequences import Histories
from recommender.dataset.visitor_statistics import visitor_adoption, visitor_statistics
from recommender.encoders.tables import Part, Vectors
from recommender.evaluation.baselines import Scorer

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
POPULAR = 50
CHUNK = 32  # visitors looked at together


@dataclass(frozen=True)
class ServedLists:
    """One version's vectors and one moment's histories.

    Attributes:
        items: [item rows, dim] fused vectors, row 0 is padding. visitors: [visitors, dim].
        parts: slices of the vectors. popularity: [item rows]. statistics: [item rows, len(STATISTICS)].
        links: relation → [item rows, item rows] CSR. grouped: histories up to `now`, seconds since 1970 UTC.
        ranker: whose "habits" are asked. nearest: how many candidates the vectors give.
        added_at: [item rows - 1] as in `ItemTable`.
    """

    items: Floats
    visitors: Vectors
    parts: tuple[Part, ...]
    popularity: Floats
    statistics: Floats
    links: dict[str, sp.csr_matrix]
    grouped: Histories
    now: int
    ranker: Mapping[str, Any]
    nearest: int = 150
    added_at: NDArray[np.float64] | None = None

    @cached_property
    def popular(self) -> Ints:
        return np.argsort(-self.popularity[1:], kind="stable")[:POPULAR] + 1

    @cached_property
    def cold(self) -> ColdItems:
        return ColdItems.of(self.statistics, self.items, self.now, self.added_at)

    def features(self, numbers: Ints) -> Iterator[tuple[Ints, Floats]]:
        """For each visitor: (candidate item rows [n], ranking features [n, features])."""
        parts = [(part.name, part.start, part.stop, part.weight) for part in self.parts]
        for at in range(0, len(numbers), CHUNK):
            chunk = numbers[at : at + CHUNK]
            asked, visitors = self.grouped.of(chunk), self.visitors[chunk]
            kinds, adoption = visitor_statistics(asked, self.now), visitor_adoption(asked, self.now, self.statistics)
            similarity = visitors @ self.items.T  # [chunk, item rows]
            similarity[:, 0] = -np.inf
            k = min(self.nearest, similarity.shape[1] - 1)
            near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
            newest = newest_items(asked, len(self.items))
            linked = [[sp.csr_matrix(weights @ self.links[relation]) for weights in newest] for relation in RELATIONS]
            ever = sp.csr_matrix(binary_matrix(asked.offsets, asked.item, len(self.items)) @ self.links["ease"])
            flat = [*(matrix for windows in linked for matrix in windows), ever]
            del similarity, newest
            for place, number in enumerate(chunk):
                of_links = [_row(matrix, place) for matrix in flat]
                own, own_rows = self._own(number)
                found = [
                    near[place],
                    self.popular,
                    self.cold.nearest(visitors[place]),
                    own_rows[strongest_own(own)],
                    *(_best(*row, LINKED) for row in of_links),
                ]
                rows = distinct(np.concatenate(found))
                links = np.stack([_spread(*row, rows) for row in of_links], axis=1)
                owned = nothing_owned(len(rows))
                known = np.isin(own_rows, rows)
                owned[np.searchsorted(rows, own_rows[known])] = own[known]
                alike = part_similarities(self.items[rows], visitors[place], parts)
                yield (
                    rows,
                    ranking_features(
                        alike, links, self.statistics[rows], owned, kinds[place], adoption[place], self.ranker
                    ),
                )

    def _own(self, number: np.int64) -> tuple[Floats, Ints]:
        """([own items, len(OWN)], their item rows ascending)."""
        events = slice(self.grouped.offsets[number], self.grouped.offsets[number + 1])
        rows, group = np.unique(self.grouped.item[events], return_inverse=True)
        age_days = (np.maximum(self.now - self.grouped.at[events], 0) / DAY_SECONDS).astype(np.float32)
        return own_facts(group, len(rows), self.grouped.kind[events], age_days), rows.astype(np.int64)

    def scorer(self, ranker: dict[str, Any]) -> Scorer:
        """Scores of every item for the judge: the ranker's for candidates, minus infinity for the rest."""

        def score(numbers: Ints) -> Floats:
            found = [(rows, rank_candidates(features, ranker)) for rows, features in self.features(numbers)]
            return self._spread_out(found)

        return score

    def scorers(self, rankers: Mapping[str, dict[str, Any]], asked: Ints) -> dict[str, Scorer]:
        """The same by ranker name, for visitors among `asked` [n] only; what rankers see is computed once for all."""
        found = {
            number: (rows, {name: rank_candidates(features, ranker) for name, ranker in rankers.items()})
            for number, (rows, features) in zip(asked.tolist(), self.features(asked), strict=True)
        }

        def scorer(name: str) -> Scorer:
            return lambda numbers: self._spread_out((found[n][0], found[n][1][name]) for n in numbers.tolist())

        return {name: scorer(name) for name in rankers}

    def _spread_out(self, found: Iterable[tuple[Ints, Floats]]) -> Floats:
        """[visitors, item rows] from each one's (candidates, scores)."""
        each = list(found)
        scores = np.full((len(each), len(self.items)), -np.inf, dtype=np.float32)
        for place, (rows, of_rows) in enumerate(each):
            scores[place, rows] = of_rows
        return scores


def newest_items(grouped: Histories, item_rows: int) -> tuple[sp.csr_matrix, ...]:
    """A [visitors, item rows] CSR for each of `WINDOWS`: `link_weights` of every visitor's newest items."""
    near = np.arange(len(grouped.item)) >= grouped.offsets[grouped.owner + 1] - LINKED_ITEMS
    owner, item, basket = grouped.owner[near], grouped.item[near], grouped.basket[near]
    pair = owner * item_rows + item
    _, from_end = np.unique(pair[::-1], return_index=True)
    newest = np.sort(len(pair) - 1 - from_end)  # the last event of every visitor and item, in order
    owner, item, basket = owner[newest], item[newest], basket[newest]
    counts = np.bincount(owner, minlength=len(grouped.visitor))
    last = np.cumsum(counts)[owner] - 1
    item_back = last - np.arange(len(newest))
    basket_back = grouped.basket[grouped.offsets[owner + 1] - 1] - basket
    weights = link_weights(basket_back, item_back)
    shape = (len(grouped.visitor), item_rows)
    return tuple(sp.csr_matrix((weights[:, at], (owner, item)), shape=shape) for at in range(len(WINDOWS)))


def _row(matrix: sp.csr_matrix, place: int) -> tuple[Ints, Floats]:
    inside = slice(matrix.indptr[place], matrix.indptr[place + 1])
    return matrix.indices[inside].astype(np.int64), matrix.data[inside]


def _best(rows: Ints, strength: Floats, most: int) -> Ints:
    if len(rows) <= most:
        return rows[strength > 0]
    best = np.argpartition(-strength, most - 1)[:most]
    return rows[best[strength[best] > 0]]


def _spread(rows: Ints, strength: Floats, wanted: Ints) -> Floats:
    """[wanted] the strength of each wanted row, 0 where it has none; `wanted` ascending."""
    place = np.searchsorted(wanted, rows)
    place[place == len(wanted)] = 0
    there = wanted[place] == rows
    out = np.zeros(len(wanted), dtype=np.float32)
    out[place[there]] = strength[there]
    return out
