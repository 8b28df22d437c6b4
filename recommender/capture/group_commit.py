"""Many requests, one commit: whoever comes while a transaction is being written waits, and goes with the next one.

There is no thread of its own and no delay: the first to come writes at once, alone; under load a transaction carries
what all threads brought that came meanwhile, and whoever wrote wakes the next to write before those who are done.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST: Final = 200  # items of one transaction


class _Seat(Generic[Item, Result]):
    """An item on its way, and what became of it; `turn` is free when it is done, or when it is its turn to write."""

    __slots__ = ("error", "is_done", "item", "result", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


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
        self._waiting: list[_Seat[Item, Result]] = []
        self._is_busy = False

    def write(self, item: Item) -> Result:
        """Blocks until the item is written.

        Raises:
            Exception: what `write` raised for the transaction, or returned for this item.
        """
        seat: _Seat[Item, Result] = _Seat(item)
        with self._lock:
            self._waiting.append(seat)
            is_first = not self._is_busy
            self._is_busy = True
        if not is_first:
            seat.turn.acquire()
        if not seat.is_done:
            self._drive()
        if seat.error is not None:
            raise seat.error
        return seat.result

    def _drive(self) -> None:
        """Write for the first who wait, whose first is the driver itself."""
        with self._lock:
            seats, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
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
        with self._lock:
            self._is_busy = bool(self._waiting)
            if self._waiting:
                self._waiting[0].turn.release()
        for seat in seats:
            seat.is_done = True
            seat.turn.release()
