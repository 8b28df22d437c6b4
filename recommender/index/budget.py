"""How long the database may take: one budget for all that a list reads, whatever the number of statements."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RUNG_SHARE: Final = 0.6  # of what is left of the budget, for one rung: the next ones need some, too


class _Patience(threading.local):
    """The moment (monotonic) at which this thread's patience ends."""

    until = math.inf


_patience = _Patience()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Reads inside take no longer than this together; inside another budget, no longer than is left of that one."""
    outer = _patience.until
    _patience.until = min(outer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _patience.until = outer


def seconds_left() -> float:
    """Of the budget around; infinite where there is none."""
    return _patience.until - time.monotonic()
