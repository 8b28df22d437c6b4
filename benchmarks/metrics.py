"""Ranking metrics of top lists against what was right, over all items, a row a visitor. Needs numpy only."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.task import Ints, Pairs

Floats = NDArray[np.float64]
Lists = NDArray[np.int32]
CUT_OFF: Final = 10


def hits(lists: Lists, visitors: Ints, right: Pairs, items: int) -> NDArray[np.bool_]:
    """[n, k] lists of the [n] visitors → [n, k] right or not; neither -1 nor a right item from `items` on is a hit.

    Raises:
        ValueError: a list names an item twice, or one that does not exist.
    """
    if lists.max(initial=-1) >= items or lists.min(initial=-1) < -1:
        raise ValueError(f"A list names an item outside of -1..{items - 1}.")
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("A list names an item twice; each may stand once.")
    can_be_found = right.item < items
    pairs = (right.visitor * items + right.item)[can_be_found]
    wanted = np.isin(visitors[:, None] * items + lists, pairs)
    return np.asarray(wanted & (lists >= 0))


def counts(visitors: Ints, right: Pairs) -> Ints:
    """[n] how many items were right for each of the [n] ascending visitors."""
    return np.searchsorted(right.visitor, visitors, side="right") - np.searchsorted(right.visitor, visitors)


def ndcg(hit: NDArray[np.bool_], count: Ints, k: int = CUT_OFF) -> Floats:
    """[n] NDCG@k, NaN where nothing was right.

    Source: Järvelin and Kekäläinen, TOIS 2002; the ideal list is cut at k too.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.r_[np.nan, np.cumsum(discount)][np.minimum(count, k)]
    return np.asarray((hit[:, :k] * discount[: hit.shape[1]]).sum(axis=1) / ideal)


def recall(hit: NDArray[np.bool_], count: Ints, k: int) -> Floats:
    """[n] share of the right items that are among the first k, NaN where nothing was right."""
    return np.asarray(hit[:, :k].sum(axis=1) / np.where(count > 0, count, np.nan))


def hit_rate(hit: NDArray[np.bool_], count: Ints, k: int = CUT_OFF) -> Floats:
    """[n] 1.0 where one of the first k is right, NaN where nothing was."""
    return np.where(count > 0, hit[:, :k].any(axis=1), np.nan)


def reciprocal_rank(hit: NDArray[np.bool_], count: Ints) -> Floats:
    """[n] 1 / place of the first right item, 0 without one in the list, NaN where nothing was right."""
    first = np.where(hit.any(axis=1), 1.0 / (hit.argmax(axis=1) + 1), 0.0)
    return np.where(count > 0, first, np.nan)


def validation_ndcg(lists: Lists, visitors: Ints, right: Pairs, items: int) -> float:
    """Mean NDCG@10 over the visitors that have something to find, for tuning; 0 where none has."""
    values = ndcg(hits(lists, visitors, right, items), counts(visitors, right))
    return float(np.nanmean(values)) if not np.isnan(values).all() else 0.0
