"""Event logs with a known right answer, and their shuffled twins in which there is nothing to learn."""

from dataclasses import replace

import numpy as np

from recommender.capture.tables import PURCHASE, VIEW, EventLog, ItemTable

DAY = 86_400
START = 1_700_000_000


def log_of(rows: list[tuple[int, int | str, int, int]]) -> EventLog:
    """(visitor, item, kind, at) rows, in time order."""
    visitor, item, kind, at = zip(*rows, strict=True) if rows else ((), (), (), ())
    return EventLog(
        np.array(visitor, dtype=np.int64),
        np.array(item) if rows else np.zeros(0, dtype=np.int64),
        np.array(kind, dtype=np.int8),
        np.array(at, dtype=np.int64),
        np.ones(len(rows), dtype=np.float32),
    )


def camps(visitors: int = 120, items: int = 40, events: int = 24, seed: int = 0) -> EventLog:
    """Two camps: even visitors buy even items, odd visitors odd ones, one item a day, never the same twice running."""
    rng = np.random.default_rng(seed)
    rows = []
    for visitor in range(visitors):
        own = np.arange(visitor % 2, items, 2) + 1
        for day in range(events):
            rows.append((visitor + 1, int(rng.choice(own)), PURCHASE, START + day * DAY + visitor))
    return log_of(sorted(rows, key=lambda row: row[3]))


def chain(visitors: int = 150, items: int = 30, events: int = 20, seed: int = 0) -> EventLog:
    """After item k comes item k + 1, always (and after the last the first): only the order tells."""
    rng = np.random.default_rng(seed)
    rows = []
    for visitor in range(visitors):
        first = int(rng.integers(items))
        for step in range(events):
            rows.append((visitor + 1, (first + step) % items + 1, VIEW, START + step * 3_600 + visitor))
    return log_of(sorted(rows, key=lambda row: row[3]))


def shuffled(log: EventLog, seed: int = 0) -> EventLog:
    """The same visitors, times and item counts, with the items dealt out at random: a leak would still be found."""
    return replace(log, item=np.random.default_rng(seed).permutation(log.item))


def catalogue(items: int = 40, seed: int = 0) -> ItemTable:
    """Items 1..items; the attribute says which camp an item belongs to, the text is nearly the same for all."""
    keys = np.arange(1, items + 1)
    titles = [f"article {key}" for key in keys]
    camp = ["odd" if key % 2 else "even" for key in keys]
    price = np.random.default_rng(seed).integers(100, 900, items).astype(np.float32)
    return ItemTable(keys, titles, titles, {"camp": camp}, price)
