from datetime import UTC, datetime

import numpy as np

from recommender.quality.gaps import HOUR, Gap, find_gaps

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
FIRST = int(MONDAY.timestamp()) // HOUR
WEEKS = 4


def shop() -> np.ndarray:
    """Four weeks of an hour's events each: 20 by day, none by night, none on Sundays."""
    hours = np.arange(WEEKS * 168)
    is_open = (hours % 24 >= 8) & (hours % 24 < 20) & (hours // 24 % 7 != 6)
    return np.where(is_open, 20, 0)


def test_nights_and_sundays_are_no_gaps() -> None:
    assert find_gaps(FIRST, shop()) == []


def test_a_morning_without_events_is_one() -> None:
    events = shop()
    events[168 + 8 : 168 + 12] = 0
    assert find_gaps(FIRST, events) == [Gap(datetime(2026, 11, 9, 8, tzinfo=UTC), 4, 80)]


def test_two_dead_days_are_two_gaps_with_the_night_between() -> None:
    events = shop()
    events[168 : 168 + 48] = 0
    assert [(gap.hours, gap.missed) for gap in find_gaps(FIRST, events)] == [(12, 240), (12, 240)]


def test_one_that_goes_on_reaches_to_the_end() -> None:
    events = np.full(240, 30)
    events[-3:] = 0
    (gap,) = find_gaps(FIRST, events)
    assert (gap.hours, gap.start.hour) == (3, 21)


def test_a_quiet_shop_has_no_usual_hour() -> None:
    events = np.tile([0, 0, 2, 0], 100)
    assert find_gaps(FIRST, events) == []
    assert find_gaps(FIRST, np.zeros(0, dtype=np.int64)) == []
    assert find_gaps(FIRST, np.array([9])) == []
