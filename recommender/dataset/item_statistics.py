"""What a log tells of each item apart from who asks: how often it is taken, how new it is, how soon it is rebought."""

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS
from recommender.dataset.distinct import distinct
from recommender.dataset.ranking_features import NEVER_DAYS, STATISTICS
from recommender.dataset.sequences import Histories

WINDOW_DAYS = (7, 30, 90)
PRIOR_REPEATS = 5.0  # events of an average item that every item is given


def item_statistics(
    grouped: Histories, item_rows: int, now: int, price_cents: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """[item_rows, len(STATISTICS)] float32 at `now`, in seconds since 1970 UTC; counts, days and prices as log(1 + x).

    Args:
        price_cents: [item_rows - 1] of the catalogue's items, NaN where unknown.
    """
    once = _once_a_day(grouped, item_rows, now)
    _, item, age = once
    windows = [np.bincount(item[age < days], minlength=item_rows) for days in WINDOW_DAYS]
    first, last = np.zeros(item_rows), np.full(item_rows, NEVER_DAYS)
    np.maximum.at(first, item, age)
    np.minimum.at(last, item, age)
    repeat_share, usual = _repeats(once, item_rows)
    price = np.zeros(item_rows)
    if price_cents is not None:
        known = np.isfinite(price_cents)
        price[1:] = np.where(known, price_cents, np.median(price_cents[known]) if known.any() else 0.0)
    columns = {f"taken_{days}": np.log1p(count) for days, count in zip(WINDOW_DAYS, windows, strict=True)} | {
        "taken": np.log1p(np.bincount(item, minlength=item_rows)),
        "age": np.log1p(np.maximum(first, 0)),
        "idle": np.log1p(np.maximum(last, 0)),
        "repeat_share": repeat_share,
        "usual_days": np.log1p(usual),
        "price": np.log1p(np.maximum(price, 0)),
    }
    return np.stack([columns[name] for name in STATISTICS], axis=1).astype(np.float32)


def _once_a_day(
    grouped: Histories, item_rows: int, now: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """(visitor number, item row, days ago), ascending: a visitor counts once a day and item."""
    none: NDArray[np.int32] = np.zeros(0, np.int32)
    parts, before = [(none, none, none)], 0
    for piece in grouped.pieces():
        day = (now - piece.at) // DAY_SECONDS
        newest = int(day.min(initial=0))
        days = int(day.max(initial=0)) - newest + 1
        code = distinct(piece.pairs(item_rows) * days + day - newest)
        pair, day = code // days, code % days + newest
        owner, item = pair // item_rows + before, pair % item_rows
        parts.append((owner.astype(np.int32), item.astype(np.int32), day.astype(np.int32)))
        before += len(piece.visitor)
    owner, item, age = (np.concatenate(column) for column in zip(*parts, strict=True))
    return owner, item, age


def _repeats(once: tuple[NDArray[np.int32], ...], item_rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """([item_rows] share of takings that repeat one, [item_rows] usual days between two), both drawn to the average."""
    owner, item, age = once
    again = (owner[1:] == owner[:-1]) & (item[1:] == item[:-1])
    days, of = np.log1p(age[1:][again] - age[:-1][again]), item[1:][again]
    repeats, takings = np.bincount(of, minlength=item_rows), np.bincount(item, minlength=item_rows)
    share = repeats.sum() / max(takings.sum(), 1)
    usual = float(days.mean()) if len(days) else np.log1p(NEVER_DAYS)
    sums = np.bincount(of, weights=days, minlength=item_rows)
    return (
        (repeats + PRIOR_REPEATS * share) / (takings + PRIOR_REPEATS),
        np.expm1((sums + PRIOR_REPEATS * usual) / (repeats + PRIOR_REPEATS)),
    )
