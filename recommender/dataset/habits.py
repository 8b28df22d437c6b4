"""What visitors bought again, at many moments of the past: what the network of habits learns from.

A habit needs no vectors, so that it can be learned from moments that encoders know nothing of yet. The ranker itself
has one moment only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS, PURCHASE
from recommender.dataset.distinct import distinct
from recommender.dataset.item_statistics import item_statistics
from recommender.dataset.ranking_features import (
    LONG_DECAY_DAYS,
    OWN,
    Floats,
    Ints,
    habit_inputs,
    own_facts,
)
from recommender.dataset.sequences import Histories
from recommender.dataset.split import SESSION_GAP
from recommender.dataset.visitor_statistics import visitor_statistics

MOMENTS: Final = 12
FIRST, LAST = 0.5, 0.96  # shares of the events before the first and the last moment
VISITORS: Final = 1_500  # of a moment, drawn
ITEMS: Final = 150  # of a visitor, the ones that it bought most and last


@dataclass(frozen=True, slots=True)
class HabitExample:
    """A visitor at a moment. inputs: [items, len(HABIT_INPUTS)] of what it had bought. again: [items] bought next."""

    inputs: Floats
    again: NDArray[np.bool_]


def habit_examples(grouped: Histories, item_rows: int, price_cents: Floats | None, seed: int) -> list[HabitExample]:
    """Visitors whose next purchases after a moment hold something that they had bought before it."""
    if not len(grouped.at):
        return []
    rng = np.random.default_rng(seed)
    moments = np.unique(np.quantile(grouped.at, np.linspace(FIRST, LAST, MOMENTS)).astype(np.int64))
    return [example for now in moments.tolist() for example in _examples_at(grouped, now, item_rows, price_cents, rng)]


def _examples_at(
    grouped: Histories, now: int, item_rows: int, price_cents: Floats | None, rng: np.random.Generator
) -> Iterator[HabitExample]:
    owner = grouped.owner
    bought = grouped.kind == PURCHASE
    next_pairs = _next_purchases(grouped, owner, bought & (grouped.at >= now), item_rows)
    had = distinct(owner[bought & (grouped.at < now)])
    del owner, bought
    who = np.sort(
        rng.permutation(np.intersect1d(had, distinct(next_pairs // item_rows), assume_unique=True))[:VISITORS]
    )
    if not len(who):  # all at one moment, say: nobody has a past
        return
    before = grouped.where(grouped.at < now)
    statistics = item_statistics(before, item_rows, now, price_cents)
    before = before.of(who)
    visitors = visitor_statistics(before, now)
    number, rows, own = _owned(before, now, item_rows)
    again = np.isin(who[number] * item_rows + rows, next_pairs)
    edges = np.searchsorted(number, np.arange(len(who) + 1)).tolist()
    for visitor, start, stop in zip(visitors, edges[:-1], edges[1:], strict=True):
        if again[start:stop].any():
            inputs = habit_inputs(statistics[rows[start:stop]], own[start:stop], visitor)
            yield HabitExample(inputs, again[start:stop].copy())


def _next_purchases(grouped: Histories, owner: Ints, after: NDArray[np.bool_], item_rows: int) -> Ints:
    """Visitor · item_rows + item, ascending, of each visitor's first purchases `after`: those within SESSION_GAP."""
    first = np.full(len(grouped.visitor), np.iinfo(np.int64).max)
    np.minimum.at(first, owner[after], grouped.at[after])
    soon = after.copy()
    soon[after] = grouped.at[after] - first[owner[after]] <= SESSION_GAP
    return distinct(owner[soon] * item_rows + grouped.item[soon])


def _owned(before: Histories, now: int, item_rows: int) -> tuple[Ints, Ints, Floats]:
    """(visitor number, item row, both ascending, [pairs, len(OWN)]) of what was bought, at most ITEMS a visitor."""
    pairs, group = np.unique(before.pairs(item_rows), return_inverse=True)
    age_days = ((now - before.at) / DAY_SECONDS).astype(np.float32)
    own = own_facts(group, len(pairs), before.kind, age_days)
    visitor = pairs // item_rows
    order = np.lexsort((-own[:, OWN.index(f"own_{LONG_DECAY_DAYS:g}")], visitor))
    place = np.empty(len(pairs), np.int64)
    place[order] = np.arange(len(pairs)) - np.searchsorted(visitor, visitor[order])
    chosen: Any = (own[:, OWN.index("is_repeat")] > 0) & (place < ITEMS)
    return visitor[chosen], pairs[chosen] % item_rows, own[chosen]
