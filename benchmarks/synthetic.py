"""Made-up shops of any size: what speed and memory are measured on. Nothing about quality can be learned from them."""

from typing import Final

import numpy as np

from recommender.capture.tables import PURCHASE, EventLog, ItemTable, narrowest

DAY: Final = 86_400  # seconds
START: Final = 1_700_000_000
DAYS: Final = 300
GROUPS: Final = 50  # a visitor takes items of one group: item i is in group i % GROUPS


def events(count: int, visitors: int, items: int, seed: int, first_day: int = 0, days: int = DAYS) -> EventLog:
    """`count` purchases by visitors 1..visitors of items 1..items within the days, few items popular, most rare."""
    rng = np.random.default_rng(seed)
    visitor = rng.integers(visitors, size=count) + 1
    in_group = max(items // GROUPS, 1)
    place = (in_group * rng.random(count) ** 2).astype(np.int64)
    item = np.minimum(place * GROUPS + visitor % GROUPS, items - 1) + 1
    at = np.sort(START + first_day * DAY + rng.integers(days * DAY, size=count))
    kind, quantity = np.full(count, PURCHASE, np.int8), np.ones(count, np.float32)
    return EventLog(narrowest(visitor), narrowest(item), kind, narrowest(at), quantity)


def joined(before: EventLog, after: EventLog) -> EventLog:
    """One log after the other."""
    columns = ("visitor", "item", "kind", "at", "quantity")
    return EventLog(*(np.concatenate([getattr(before, name), getattr(after, name)]) for name in columns))


def catalogue(items: int, seed: int = 0) -> ItemTable:
    """Items 1..items with titles of a few words, a group and a price."""
    rng = np.random.default_rng(seed)
    words = rng.integers(2_000, size=(items, 3))
    titles = [f"word{a} word{b} word{c}" for a, b, c in words.tolist()]
    group = [str(number % GROUPS) for number in range(items)]
    price = rng.integers(100, 9_000, items).astype(np.float32)
    return ItemTable(np.arange(1, items + 1), titles, titles, {"group": group}, price)
