"""Hours without an event where there usually are some. Plain numbers, no database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOUR: Final = 3_600  # seconds
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 168
USUAL_EVENTS: Final = 5  # an hour that usually has fewer may well have none


@dataclass(frozen=True, slots=True)
class Gap:
    """`hours` without an event from `start` (UTC) on, in which `missed` events were usual."""

    start: datetime
    hours: int
    missed: int


def find_gaps(first_hour: int, events: NDArray[np.int64]) -> list[Gap]:
    """Runs of empty hours, oldest first.

    An hour's usual number is the median of the same hour on all other days, or on the same weekday where that is less:
    a shop that is quiet on Sundays has no gap there.

    Args:
        first_hour: hours since 1970 UTC. events: [hours] of every hour from then on.
    """
    usual = np.minimum(_usual(events, DAY_HOURS), _usual(events, WEEK_HOURS))
    missing = (events == 0) & np.isfinite(usual) & (usual >= USUAL_EVENTS)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return [
        Gap(
            datetime.fromtimestamp((first_hour + int(start)) * HOUR, UTC),
            int(stop - start),
            int(usual[start:stop].sum()),
        )
        for start, stop in edges.reshape(-1, 2)
    ]


def _usual(events: NDArray[np.int64], period: int) -> NDArray[np.float64]:
    """[hours] of every empty hour the median of the others that lie whole periods away; infinite without others."""
    usual = np.full(len(events), np.inf)
    for hour in np.flatnonzero(events == 0):
        others = np.delete(events[hour % period :: period], hour // period)
        if len(others):
            usual[hour] = np.median(others)
    return usual
