"""Many requests, one commit: whoever comes while a transaction is being written waits, and goes with the next one.

There is no thread of its own and no delay: the first to come writes at once, alone; under load a transaction carries
the batches of all threads that came meanwhile.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Final

from recommender.capture.store import Batch, Outcome
from recommender.exceptions import RecommenderError

Write = Callable[[Sequence[Batch]], Sequence[Outcome | RecommenderError]]

MOST_ROWS: Final = 2_000  # of one transaction


class _Seat:
    """A batch on its way, and what became of it."""

    __slots__ = ("batch", "error", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.outcome is not None or self.error is not None


class GroupCommit:
    """Threads of a process that write through the same function, one at a time, for all who wait."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Seat] = []

    def write(self, batch: Batch) -> Outcome:
        """Blocks until the batch is committed.

        Raises:
            Exception: what `write` raised for the transaction, or returned for this batch.
        """
        seat = _Seat(batch)
        with self._lock:
            self._waiting.append(seat)
        with self._turn:
            if not seat.is_done:
                self._drive(self._board(seat))
        if seat.error is not None:
            raise seat.error
        assert seat.outcome is not None  # noqa: S101  done, and without an error
        return seat.outcome

    def _board(self, driver: _Seat) -> list[_Seat]:
        """Who goes with this transaction: the driver, and of the others as many as it takes."""
        with self._lock:
            seats, rows = [driver], driver.batch.received
            for seat in self._waiting:
                if seat is not driver and rows + seat.batch.received <= MOST_ROWS:
                    seats.append(seat)
                    rows += seat.batch.received
            taken = set(map(id, seats))
            self._waiting = [seat for seat in self._waiting if id(seat) not in taken]
        return seats

    def _drive(self, seats: list[_Seat]) -> None:
        try:
            found = self._write([seat.batch for seat in seats])
        except BaseException as error:
            for seat in seats:
                seat.error = error
            return
        for seat, each in zip(seats, found, strict=True):
            if isinstance(each, Outcome):
                seat.outcome = each
            else:
                seat.error = each


def renewed_after_fork(group: GroupCommit) -> GroupCommit:
    """A lock that another thread holds while the process forks would be held in the child for ever."""
    os.register_at_fork(after_in_child=lambda: group.__init__(group._write))  # type: ignore[misc]
    return group
