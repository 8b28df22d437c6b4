"""A rung that failed again and again is left alone for a moment: its pages do not wait, and the database is spared.

One breaker a rung and process. After FAILURES in a row it is open; then one request every OPEN_SECONDS tries (half
open), and the first that succeeds closes it.
"""

import threading
import time
from typing import Final

from django.core.signals import request_started

from recommender.telemetry import OPEN_BREAKERS

FAILURES: Final = 3
OPEN_SECONDS: Final = 1.0


class Breaker:
    def __init__(self, rung: str) -> None:
        self._rung = rung
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def lets_pass(self) -> bool:
        """Whether this request may ask; whoever may says how it went."""
        if not self.is_open:
            return True
        with self._lock:
            now = time.monotonic()
            if self.is_open and now < self._next_try:
                return False
            self._next_try = now + OPEN_SECONDS
            return True

    def succeeded(self) -> None:
        if self._failures:
            self._failures = 0
            OPEN_BREAKERS.labels(self._rung).set(0)

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            self._next_try = time.monotonic() + OPEN_SECONDS
            OPEN_BREAKERS.labels(self._rung).set(int(self.is_open))


_breakers: dict[str, Breaker] = {}


def breaker(rung: str) -> Breaker:
    """This process's breaker of a rung."""
    found = _breakers.get(rung)
    return found if found is not None else _breakers.setdefault(rung, Breaker(rung))


def open_breakers() -> list[str]:
    """The rungs that are left alone right now."""
    return sorted(rung for rung, each in list(_breakers.items()) if each.is_open)


def close_breakers() -> None:
    """Forget all failures of this process."""
    _breakers.clear()
    _page.waited.clear()


class _Page(threading.local):
    """Of the page that this thread renders: rung → when it was waited for in vain. Once a page is enough."""

    def __init__(self) -> None:
        self.waited: dict[str, float] = {}


_page = _Page()


def page_waited(rung: str) -> bool:
    """Whether a list of this page has waited in vain for the rung, not longer than OPEN_SECONDS ago."""
    at = _page.waited.get(rung)
    return at is not None and time.monotonic() < at + OPEN_SECONDS


def note_wait(rung: str) -> None:
    _page.waited[rung] = time.monotonic()


def is_hurried() -> bool:
    """Whether this page's lists may be worse than they could be: a rung made it wait in vain, or is left alone."""
    return bool(_page.waited or open_breakers())


def new_page(**kwargs: object) -> None:
    _page.waited.clear()


request_started.connect(new_page, dispatch_uid="recommender.new_page")
