"""Many requests, one commit: whoever comes while a transaction is being written waits, and goes with the next one.

There is no thread of its own and no delay: the first to come writes at once, alone; under load a transaction carries
what all threads brought that came meanwhile.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST: Final = 200  # items of one transaction


class _Seat(Generic[Item, Result]):
    """An item on its way, and what became of it."""

    __slots__ = ("error", "is_done", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Threads of a process that write through the same function, one at a time, for all who wait.

    Args:
        write: items → by item its result, or an exception that is raised for whoever brought it.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._write = write
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        """A lock that another thread holds while the process forks would be held in the child for ever."""
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Seat[Item, Result]] = []

    def write(self, item: Item) -> Result:
        """Blocks until the item is written.

        Raises:
            Exception: what `write` raised for the transaction, or returned for this item.
        """
        seat: _Seat[Item, Result] = _Seat(item)
        with self._lock:
            self._waiting.append(seat)
        with self._turn:
            if not seat.is_done:
                self._drive(self._board(seat))
        if seat.error is not None:
            raise seat.error
        return seat.result

    def _board(self, driver: _Seat[Item, Result]) -> list[_Seat[Item, Result]]:
        """Who goes with this transaction: the driver, and of the others as many as it takes."""
        with self._lock:
            others = [seat for seat in self._waiting if seat is not driver]
            self._waiting = others[MOST - 1 :]
        return [driver, *others[: MOST - 1]]

    def _drive(self, seats: list[_Seat[Item, Result]]) -> None:
        try:
            found = self._write([seat.item for seat in seats])
            for seat, each in zip(seats, found, strict=True):
                if isinstance(each, Exception):
                    seat.error = each
                else:
                    seat.result = each
        except BaseException as error:
            for seat in seats:
                seat.error = error
        for seat in seats:
            seat.is_done = True
