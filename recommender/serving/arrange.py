"""Candidates → the order of a list. Numbers only: no Django, no database, no names of items.

Slot by slot the best candidate is taken that no limit holds back. A limit bounds a share of every beginning of the
list, so it holds for whoever sees the first four slots of a phone as well as for whoever sees all twelve.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

EPSILON: Final = 1e-9  # of a product of share and slots, which floats do not hit exactly
SPREAD: Final = 5  # times the list's length: the candidates between which relevance goes from 1 to 0


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `share` of every beginning of the list are of `of` [n]; more only where nothing else is left."""

    of: Flags
    share: float


@dataclass(frozen=True, slots=True)
class Lift:
    """At least `share` of every beginning of the list are of `of` [n], as far as there are any.

    Attributes:
        rule: who wants it; told for each slot that was taken for it.
    """

    of: Flags
    share: float
    rule: int


@dataclass(frozen=True, slots=True)
class Arranged:
    """rows: numbers of candidates, best first, each at most once. lifted: place in `rows` → the rule that lifted it."""

    rows: list[int]
    lifted: dict[int, int]


def arrange(
    relevance: Floats,
    slots: int,
    *,
    vectors: Floats | None = None,
    diversity: float = 0.0,
    limits: Sequence[Limit] = (),
    lifts: Sequence[Lift] = (),
) -> Arranged:
    """All candidates in order: the first `slots` chosen one by one, the rest as they came.

    Maximal marginal relevance: of what is free, the highest (1 - diversity) * relevance - diversity * c, where c is
    the highest cosine to what was taken before. Equal ones keep their order.

    Args:
        relevance: [n], see `relevance_of`.
        vectors: [n, dim] unit norm; without them, or with diversity 0, by relevance alone.
        limits: where not all of them can be kept, the first ones are given up first.
        lifts: the first one that lacks a candidate gets the slot.
    Source: Carbonell and Goldstein, SIGIR 1998.
    """
    n = len(relevance)
    weighs = vectors is not None and diversity > 0
    value = relevance.astype(np.float64) * ((1 - diversity) if weighs else 1.0)
    closest = np.zeros(n)
    free = np.ones(n, dtype=bool)
    used, got = [0] * len(limits), [0] * len(lifts)
    rows: list[int] = []
    lifted: dict[int, int] = {}
    for slot in range(1, min(slots, n) + 1):
        options = _within_limits(free, limits, used, slot)
        for place, lift in enumerate(lifts):
            if got[place] < math.floor(lift.share * slot + EPSILON) and (options & lift.of).any():
                options, lifted[slot - 1] = options & lift.of, lift.rule
                break
        worth = value - diversity * closest if weighs else value
        row = int(np.where(options, worth, -np.inf).argmax())
        rows.append(row)
        free[row] = False
        used = [count + bool(limit.of[row]) for count, limit in zip(used, limits, strict=True)]
        got = [count + bool(lift.of[row]) for count, lift in zip(got, lifts, strict=True)]
        if vectors is not None and weighs:
            closest = np.maximum(closest, vectors @ vectors[row])
    rest = np.flatnonzero(free)
    return Arranged(rows + rest[np.argsort(-relevance[rest], kind="stable")].tolist(), lifted)


def _within_limits(free: Flags, limits: Sequence[Limit], used: Sequence[int], slot: int) -> Flags:
    """What is free and held back by no limit; where nothing is, the first limits are given up."""
    full = [
        ~limit.of for limit, count in zip(limits, used, strict=True) if count >= math.ceil(limit.share * slot - EPSILON)
    ]
    while full:
        options = np.logical_and.reduce([free, *full])
        if options.any():
            return np.asarray(options)
        full.pop(0)
    return free


def relevance_of(scores: Floats, slots: int) -> Floats:
    """[n] scores, best first, on a scale of their own: 1 for the best, 0 where SPREAD * slots candidates are behind.

    What a ranker returns has no fixed scale; this one can be weighed against cosines.
    """
    if not len(scores):
        return scores.astype(np.float32)
    best, last = float(scores[0]), float(scores[min(SPREAD * slots, len(scores)) - 1])
    return np.asarray((scores - last) / max(best - last, EPSILON), dtype=np.float32)
