"""Small tables that every list needs: read once in seconds by each process, and kept while the database is away."""

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import Error

from recommender.conf import conf
from recommender.index.reading import reading
from recommender.savepoints import unharmed

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """What `read` returned, at most `seconds` old: what one process saves, all others see within that time.

    Args:
        unknown: holds until the database has answered for the first time.
    """

    def __init__(self, read: Callable[[], Value], seconds: float, unknown: Value) -> None:
        self._read = read
        self._seconds = seconds
        self._unknown = self._value = unknown
        self._until = 0.0

    def get(self) -> Value:
        """The value; the last known one where the database does not answer, which is asked again `seconds` later."""
        if time.monotonic() >= self._until:
            try:
                with reading(conf.BUDGET_MS), unharmed():
                    self._value = self._read()
            except Error as error:
                said = " ".join(str(error).split())  # of several lines where Postgres does not answer
                logger.warning("%s has not read its table; the last known goes on: %s", self._read.__module__, said)
            self._until = time.monotonic() + self._seconds
        return self._value

    def hold(self, value: Value) -> None:
        """This value from now on, without asking the database."""
        self._value, self._until = value, float("inf")

    def forget(self) -> None:
        """The next `get` asks the database."""
        self._value, self._until = self._unknown, 0.0

    def expire(self) -> None:
        """The next `get` asks the database, and keeps what is known where that does not answer."""
        self._until = 0.0
