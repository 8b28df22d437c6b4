"""Candidates of a source, and keys in order → the shop's own objects, as long as they may be shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db.models import Model, QuerySet

from recommender.catalog import get_catalog
from recommender.dataset.ranking_features import Floats
from recommender.index.nearest import available_items
from recommender.models import ModelVersion, SavedFilter
from recommender.serving.arrange import Flags


@dataclass(frozen=True, slots=True)
class Shown:
    """An available item with the score that put it here.

    Attributes:
        propensity: the chance with which the policy shows just this item in just this slot, see `Entry`.
        rule: pk of the Rule that put it here.
    """

    item: Model
    score: float
    propensity: float = 1.0
    rule: int | None = None


Explain = Callable[[Sequence[Shown]], list[str]]


def title_says_it(shown: Sequence[Shown]) -> list[str]:
    """No reasons: the list's title is the reason."""
    return [""] * len(shown)


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates of a source, best first.

    Attributes:
        scores: [n], falling. vectors: [n, dim] unit norm, where the source has them.
        is_repeat: [n] what the visitor has bought before; None where the source does not ask.
        explain: some of these items, as shown → one reason each.
    """

    keys: list[Any] = field(default_factory=list)
    scores: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    version: ModelVersion | None = None
    vectors: Floats | None = None
    is_repeat: Flags | None = None
    explain: Explain = title_says_it

    @classmethod
    def of(
        cls,
        scored: Sequence[tuple[Any, float]],
        version: ModelVersion | None = None,
        explain: Explain = title_says_it,
    ) -> "Found":
        """(item key, score), best first."""
        scores = np.array([score for _key, score in scored], dtype=np.float32)
        return cls([key for key, _score in scored], scores, version, explain=explain)

    def without(self, unwanted: frozenset[Any]) -> "Found":
        """The same candidates but these."""
        rows = [row for row, key in enumerate(self.keys) if key not in unwanted]
        return self if len(rows) == len(self.keys) else self._only(rows)

    def followed_by(self, other: "Found") -> "Found":
        """These candidates, and behind the last of them those of another source; its scores move down for that."""
        if not self.keys:
            return other
        new = other.without(frozenset(self.keys))
        if not new.keys:
            return self
        apart = max(float(self.scores[0] - self.scores[-1]), 1e-6)
        moved = float(new.scores[0] - self.scores[-1]) + apart
        own = frozenset(self.keys)

        def explain(shown: Sequence[Shown]) -> list[str]:
            first = iter(self.explain([each for each in shown if each.item.pk in own]))
            back = [replace(each, score=each.score + moved) for each in shown if each.item.pk not in own]
            second = iter(new.explain(back))
            return [next(first) if each.item.pk in own else next(second) for each in shown]

        has_vectors = self.vectors is not None and new.vectors is not None
        return Found(
            self.keys + new.keys,
            np.concatenate([self.scores, new.scores - np.float32(moved)]),
            self.version or new.version,
            np.concatenate([self.vectors, new.vectors]) if has_vectors else None,
            np.concatenate([self._repeats(), new._repeats()]),
            explain,
        )

    def _only(self, rows: list[int]) -> "Found":
        return replace(
            self,
            keys=[self.keys[row] for row in rows],
            scores=self.scores[rows],
            vectors=None if self.vectors is None else self.vectors[rows],
            is_repeat=None if self.is_repeat is None else self.is_repeat[rows],
        )

    def _repeats(self) -> Flags:
        return np.zeros(len(self.keys), dtype=bool) if self.is_repeat is None else self.is_repeat


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rung answers: items in order, one reason each."""

    shown: list[Shown] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What is available: `items` in order, and of the pinned and tried ones key → item."""

    items: list[Model]
    pinned: dict[Any, Model]
    tried: dict[Any, Model]


def take_available(
    keys: Sequence[Any],
    n: int,
    *,
    pinned: Sequence[Any] = (),
    tried: Sequence[Any] = (),
    within: SavedFilter | None = None,
    groups: frozenset[Any] = frozenset(),
) -> Taken:
    """The first `n` of these keys, in this order, that are still available; one statement where none is left out.

    Args:
        pinned, tried: asked for besides; a tried item is none of `items`, nor a variant of them.
        within: only items of this filter.
        groups: variant groups that stand on the page already; of every other group the first item is taken, pinned
            ones before all others.
    """
    chunk = [*pinned, *tried, *keys[:n]]
    start, step = n, n
    found = {item.pk: item for item in _items(chunk, within)} if chunk else {}
    seen = set(groups)
    on_pins = {key: found[key] for key in pinned if key in found and _is_new_group(found[key], seen)}
    taken = [found[key] for key in keys[:n] if key in found and _is_new_group(found[key], seen)]
    while len(taken) < n and start < len(keys):
        chunk = list(keys[start : start + step])
        start, step = start + step, step * 2
        found |= {item.pk: item for item in _items(chunk, within)}
        taken += [found[key] for key in chunk if key in found and _is_new_group(found[key], seen)]
    used = {item.pk for item in taken}
    # Each on its own: whether one is tried must not depend on whether another one is.
    on_trial = {
        key: found[key] for key in tried if key in found and key not in used and _is_new_group(found[key], set(seen))
    }
    return Taken(taken[:n], on_pins, on_trial)


def _is_new_group(item: Model, taken: set[Any]) -> bool:
    """Whether none of the item's variants was taken before; the item takes its group."""
    group = get_catalog().item_group(item)
    if group is None:
        return True
    is_new = group not in taken
    taken.add(group)
    return is_new


def titles(keys: Sequence[Any]) -> dict[Any, str]:
    """item key → title, of the available ones among `keys`."""
    return {item.pk: get_catalog().item_title(item) for item in _items(keys, None)} if keys else {}


def _items(keys: Sequence[Any], within: SavedFilter | None) -> "QuerySet[Any]":
    items: QuerySet[Any] = available_items(within).filter(pk__in=keys)
    return items.select_related(*get_catalog().select_related)
