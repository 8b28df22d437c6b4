"""What a log tells of each item apart from who asks: how often it is taken, how new it is, how soon it is rebought."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS
from recommender.dataset.distinct import distinct
from recommender.dataset.ranking_features import NEVER_DAYS, STATISTICS
from recommender.dataset.sequences import Histories

Counts = NDArray[np.float64]
WINDOW_DAYS = (7, 30, 90)
PRIOR_REPEATS = 5.0  # events of an average item that every item is given


def item_statistics(
    grouped: Histories, item_rows: int, now: int, price_cents: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """[item_rows, len(STATISTICS)] float32 at `now`, in seconds since 1970 UTC; counts, days and prices as log(1 + x).

    Args:
        price_cents: [item_rows - 1] of the catalogue's items, NaN where unknown.
    """
    takings, windows = np.zeros(item_rows), np.zeros((len(WINDOW_DAYS), item_rows))
    first, last = np.zeros(item_rows), np.full(item_rows, NEVER_DAYS)
    repeats, log_days = np.zeros(item_rows), np.zeros(item_rows)
    for owner, item, age in _once_a_day(grouped, item_rows, now):
        takings += np.bincount(item, minlength=item_rows)
        windows += [np.bincount(item[age < days], minlength=item_rows) for days in WINDOW_DAYS]
        np.maximum.at(first, item, age)
        np.minimum.at(last, item, age)
        again = (owner[1:] == owner[:-1]) & (item[1:] == item[:-1])
        of = item[1:][again]
        repeats += np.bincount(of, minlength=item_rows)
        log_days += np.bincount(of, weights=np.log1p(age[1:][again] - age[:-1][again]), minlength=item_rows)
    repeat_share, usual = _drawn_to_average(takings, repeats, log_days)
    price = np.zeros(item_rows)
    if price_cents is not None:
        known = np.isfinite(price_cents)
        price[1:] = np.where(known, price_cents, np.median(price_cents[known]) if known.any() else 0.0)
    columns = {f"taken_{days}": np.log1p(count) for days, count in zip(WINDOW_DAYS, windows, strict=True)} | {
        "taken": np.log1p(takings),
        "age": np.log1p(np.maximum(first, 0)),
        "idle": np.log1p(np.maximum(last, 0)),
        "repeat_share": repeat_share,
        "usual_days": np.log1p(usual),
        "price": np.log1p(np.maximum(price, 0)),
    }
    return np.stack([columns[name] for name in STATISTICS], axis=1).astype(np.float32)


def _once_a_day(
    grouped: Histories, item_rows: int, now: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """(visitor number, item row, days ago), ascending, of some visitors after the others: one counts once a day and
    item."""
    for piece in grouped.pieces():
        day = (now - piece.at) // DAY_SECONDS
        newest = int(day.min(initial=0))
        days = int(day.max(initial=0)) - newest + 1
        code = distinct(piece.pairs(item_rows) * days + day - newest)
        pair = code // days
        yield pair // item_rows, pair % item_rows, code % days + newest


def _drawn_to_average(takings: Counts, repeats: Counts, log_days: Counts) -> tuple[Counts, Counts]:
    """([item_rows] share of takings that repeat one, [item_rows] usual days between two).

    Args:
        log_days: [item_rows] sum over the repeats of log(1 + days since the time before).
    """
    share = repeats.sum() / max(takings.sum(), 1)
    usual = log_days.sum() / repeats.sum() if repeats.any() else np.log1p(NEVER_DAYS)
    return (
        (repeats + PRIOR_REPEATS * share) / (takings + PRIOR_REPEATS),
        np.expm1((log_days + PRIOR_REPEATS * usual) / (repeats + PRIOR_REPEATS)),
    )
