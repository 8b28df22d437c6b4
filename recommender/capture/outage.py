"""While the database is away: how that is noticed in time, where events wait, and who stores them when it is back.

One thread in the background drains the file, and as soon as the database took the backlog, batches go straight to it
again.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from django.db import connection, connections, transaction

from recommender import deadline
from recommender.capture.away import AWAY, is_locked, read_only_is_away
from recommender.capture.batch import REFUSED, Batch, Outcome
from recommender.capture.drained import write_late
from recommender.capture.spill import Spill
from recommender.conf import conf
from recommender.exceptions import NotKept
from recommender.savepoints import in_transaction

logger = logging.getLogger(__name__)

DRAIN_EVERY_SECONDS: Final = 1.0


class _State:
    """What this process knows: whether the database is away, and who drains."""

    def __init__(self) -> None:
        self.is_away = False
        self.spill: Spill | None = None
        self.folder: object = None
        self.lock = threading.Lock()
        self.drainer: threading.Thread | None = None


_state = _State()
os.register_at_fork(after_in_child=_state.__init__)  # type: ignore[misc]


def database_is_away() -> bool:
    """Whether events go to disk right now; whoever needs the database for one need not try."""
    return _state.is_away


@contextmanager
def in_time() -> Iterator[None]:
    """A block outside transactions in which the database answers within CAPTURE_BUDGET_MS, or counts as away.

    Raises:
        OperationalError, InterfaceError: it did not; the connection is closed, the shop's next query gets a new one.
            Or a row was locked: then there is nothing wrong with either.
    """
    if in_transaction():
        with read_only_is_away():
            yield
        return
    wrapper: Any = connections[connection.alias]
    if spill_files() is not None and wrapper.connection is not None:
        # Django would ask a frozen server first whether it is there, and then connect to it again. A connection that
        # went stale costs a detour over the disk instead.
        wrapper.health_check_done = True
    try:
        with deadline.watch(wrapper, conf.CAPTURE_BUDGET_MS / 1_000), read_only_is_away():
            yield
    except AWAY as error:
        if not is_locked(error):
            logger.warning("The database does not take events: %s", error)
            connection.close()
            if spill_files() is not None:
                _state.is_away = True
                _ensure_drainer()
        raise


def spill_files() -> Spill | None:
    """Of SPILL_FOLDER; None where the shop set none."""
    folder = conf.SPILL_FOLDER
    if not folder:
        return None
    if _state.spill is None or _state.folder != folder:
        _state.spill, _state.folder = Spill(Path(folder)), folder
    return _state.spill


def spill(batch: Batch) -> Outcome:
    """On disk when it returns, until the database takes it.

    Raises:
        NotKept: there is no folder, or the disk does not take it.
    """
    files = spill_files()
    if files is None:
        raise NotKept(NotKept.__doc__)
    try:
        files.append(msgspec.structs.replace(batch, charge=None))
    except OSError as error:
        raise NotKept(f"{NotKept.__doc__} The disk says: {error}") from error
    _ensure_drainer()
    return _spilled(batch)


def spill_after_commit(batch: Batch) -> Outcome:
    """A savepoint undid what we did; if the shop's transaction lives and commits, the events are kept after it.

    Raises:
        NotKept: there is no folder.
    """
    if spill_files() is None:
        raise NotKept(NotKept.__doc__)
    with transaction.atomic():  # outside a block Django takes no hook of a shop that commits by hand
        transaction.on_commit(partial(spill, batch), robust=True)
    return _spilled(batch)


def _spilled(batch: Batch) -> Outcome:
    outcome = Outcome(batch.received, spilled=len(batch.drafts))
    for row in batch.rejected:
        is_kept = batch.keeps and row.code not in REFUSED
        (outcome.quarantined if is_kept else outcome.refused).append(row)
    return outcome


def drain() -> int:
    """Store what waits in the spill files of this machine, in order; how many batches.

    Raises:
        OperationalError, InterfaceError: the database is (still) away; what was not stored waits on.
    """
    files = spill_files()
    return files.drain(write_late) if files is not None else 0


def _ensure_drainer() -> None:
    with _state.lock:
        if _state.drainer is None or not _state.drainer.is_alive():  # it ended by itself, or of an error
            _state.drainer = threading.Thread(target=_drain_until_empty, name="recommender-drain", daemon=True)
            _state.drainer.start()


def _drain_until_empty() -> None:
    """Ends when the database took everything. Waits for the database as long as it likes: nobody waits for this.

    What came while the backlog was stored is a file of its own. It is drained while new batches go straight to the
    database again: on a busy shop that file would never be empty.
    """
    time.sleep(DRAIN_EVERY_SECONDS)
    while not _is_over():
        try:
            if drain():
                _state.is_away = False
                continue
        except AWAY as error:
            logger.info("Events wait on disk: %s", error)
        except Exception:  # whatever it is, the events stay on disk, and somebody has to see this
            logger.exception("Events that wait on disk cannot be stored.")
        finally:
            connection.close()
        time.sleep(DRAIN_EVERY_SECONDS)


def _is_over() -> bool:
    """Whether nothing waits any more; under the lock, so that nobody appends a batch that nobody drains."""
    files = spill_files()
    with _state.lock:
        if files is not None and files.holds_own():
            return False
        _state.is_away, _state.drainer = False, None
        return True
