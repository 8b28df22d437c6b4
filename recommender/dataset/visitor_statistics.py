"""What a log tells of each visitor apart from any item."""

import numpy as np

from recommender.capture.tables import DAY_SECONDS
from recommender.dataset.distinct import distinct
from recommender.dataset.ranking_features import (
    LINKED_ITEMS,
    STATISTICS,
    Floats,
    adoption_ages,
    visitor_facts,
)
from recommender.dataset.sequences import Histories


def visitor_statistics(grouped: Histories, now: int) -> Floats:
    """[visitors, len(VISITOR)] at `now`, in seconds since 1970 UTC; of a visitor without an event without meaning."""
    first = np.minimum(grouped.offsets[:-1], len(grouped.at) - 1)
    last = np.maximum(grouped.offsets[1:] - 1, 0)
    baskets = grouped.basket[last] - grouped.basket[first] + 1
    idle = np.maximum(now - grouped.at[last], 0) / DAY_SECONDS
    rows = int(grouped.item.max(initial=0)) + 1
    pairs = distinct(grouped.pairs(rows))
    items = np.bincount(pairs // rows, minlength=len(last))
    return visitor_facts(np.maximum(baskets, 0), idle, items)


def visitor_adoption(grouped: Histories, now: int, statistics: Floats) -> Floats:
    """[visitors, len(ADOPTION)] at `now`; `statistics`: [item rows, len(STATISTICS)] as of then."""
    newest = np.arange(len(grouped.item)) >= grouped.offsets[grouped.owner + 1] - LINKED_ITEMS
    idle = ((now - grouped.at[newest]) / DAY_SECONDS).astype(np.float32)
    first = np.expm1(statistics[grouped.item[newest], STATISTICS.index("age")])
    return adoption_ages(grouped.owner[newest], len(grouped.visitor), first - idle, idle)
