"""What a source finds, and what a rung makes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db.models import Model

from recommender.dataset.ranking_features import Floats
from recommender.models import ModelVersion
from recommender.serving.arrange import Flags


@dataclass(frozen=True, slots=True)
class Shown:
    """An available item with the score that put it here.

    Attributes:
        propensity: the chance with which the policy shows just this item in just this slot, see `Entry`.
        rule: pk of the Rule that put it here.
        is_found: whether a source found it, see `Entry`.
    """

    item: Model
    score: float
    propensity: float = 1.0
    rule: int | None = None
    is_found: bool = True


@dataclass(frozen=True, slots=True)
class Named:
    """An available item that a reason names. bought_with: the shown items that enough visitors bought with it."""

    title: str
    bought_with: frozenset[Any] = frozenset()


class Reasons:
    """Why the items of a source are shown. Here nothing is said: the list's title is the reason."""

    def named(self, keys: Sequence[Any]) -> list[Any]:
        """Keys of the items that the reasons for these may name: they are fetched together with them."""
        return []

    def given(self, shown: Sequence[Shown], named: Mapping[Any, Named]) -> list[str]:
        """One reason an item, translated; "" where there is nothing to say. `named`: what was fetched."""
        return [""] * len(shown)


class Told(Reasons):
    """A word on each item by itself."""

    def __init__(self, word: Callable[[Shown], str]) -> None:
        self._word = word

    def given(self, shown: Sequence[Shown], named: Mapping[Any, Named]) -> list[str]:
        return [self._word(each) for each in shown]


class _InTurn(Reasons):
    """Of two sources: `own` are the keys of the first one; the scores of the second stand `moved` lower."""

    def __init__(self, first: Reasons, second: Reasons, own: frozenset[Any], moved: float) -> None:
        self._first, self._second, self._own, self._moved = first, second, own, moved

    def named(self, keys: Sequence[Any]) -> list[Any]:
        first = self._first.named([key for key in keys if key in self._own])
        return first + self._second.named([key for key in keys if key not in self._own])

    def given(self, shown: Sequence[Shown], named: Mapping[Any, Named]) -> list[str]:
        front = [each for each in shown if each.item.pk in self._own]
        back = [replace(each, score=each.score + self._moved) for each in shown if each.item.pk not in self._own]
        first, second = iter(self._first.given(front, named)), iter(self._second.given(back, named))
        return [next(first if each.item.pk in self._own else second) for each in shown]


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates of a source, best first.

    Attributes:
        scores: [n], falling. vectors: [n, dim] unit norm, where the source has them.
        is_repeat: [n] what the visitor has bought before; None where the source does not ask.
        reasons: why each is here.
    """

    keys: list[Any] = field(default_factory=list)
    scores: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    version: ModelVersion | None = None
    vectors: Floats | None = None
    is_repeat: Flags | None = None
    reasons: Reasons = field(default_factory=Reasons)

    @classmethod
    def of(
        cls,
        scored: Sequence[tuple[Any, float]],
        version: ModelVersion | None = None,
        reasons: Reasons | None = None,
    ) -> "Found":
        """(item key, score), best first."""
        scores = np.array([score for _key, score in scored], dtype=np.float32)
        return cls([key for key, _score in scored], scores, version, reasons=reasons or Reasons())

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
        has_vectors = self.vectors is not None and new.vectors is not None
        return Found(
            self.keys + new.keys,
            np.concatenate([self.scores, new.scores - np.float32(moved)]),
            self.version or new.version,
            np.concatenate([self.vectors, new.vectors]) if has_vectors else None,
            np.concatenate([self._repeats(), new._repeats()]),
            _InTurn(self.reasons, new.reasons, frozenset(self.keys), moved),
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
