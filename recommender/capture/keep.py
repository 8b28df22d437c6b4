"""Durable or not at all: a batch is committed, or fsynced to the spill file, or the sender is told to come again.

While the database is away nobody waits for it: one thread in the background drains the file, and as soon as the
database took the backlog, batches go straight to it again.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from django.db import DatabaseError, connection, connections, transaction

from recommender import deadline
from recommender.capture.away import AWAY, is_locked, read_only_is_away
from recommender.capture.batch import NOBODY, REFUSED, Batch, Outcome, Sender
from recommender.capture.drafts import Rejected
from recommender.capture.drained import note_drained
from recommender.capture.group_commit import GroupCommit
from recommender.capture.impressions import store_impressions
from recommender.capture.joins import owner_meanwhile
from recommender.capture.rate_limit import turns
from recommender.capture.sender import verified, visitor_with, with_visitor
from recommender.capture.spill import Chunk, Spill
from recommender.capture.store import Found, ensure_partitions, write
from recommender.conf import conf
from recommender.exceptions import NoConsent, NotKept, VisitorNotFound
from recommender.models import Event
from recommender.savepoints import in_transaction

logger = logging.getLogger(__name__)

DRAIN_EVERY_SECONDS: Final = 1.0


def keep(batch: Batch) -> Outcome:
    """Committed or on disk when it returns; inside a transaction of the shop it shares that one's fate.

    Raises:
        VisitorNotFound, NoConsent: the sender is gone or wants no memory; nothing was counted.
        TooFast: the batch has a charge, and its buckets no room; nothing was counted.
        NotKept: neither database nor disk takes it.
    """
    if not batch.received and not batch.seen and batch.charge is None:
        return Outcome(0)
    if in_transaction():
        return _keep_inside(batch)
    if _state.is_away or batch.sender.needs_row:
        return _spill(batch)
    try:
        if any(draft.token for draft in batch.drafts):
            with in_time():
                batch = verified(batch)
        outcome = _group.write(batch) if batch.received or batch.charge else Outcome(0)
    except AWAY:
        return _spill(batch)
    try:
        if batch.seen:
            with in_time():
                _store_seen(batch, outcome)
    except AWAY:  # its rows are committed and booked
        _spill(msgspec.structs.replace(batch, received=0, drafts=[], rejected=[]))
    return outcome


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
                _note_outage()
        raise


def database_is_away() -> bool:
    """Whether events go to disk right now; whoever needs the database for one need not try."""
    return _state.is_away


def drain() -> int:
    """Store what waits in the spill files of this machine, in order; how many batches.

    Raises:
        OperationalError, InterfaceError: the database is (still) away; what was not stored waits on.
    """
    spill = spill_files()
    return spill.drain(_write_late) if spill is not None else 0


def spill_files() -> Spill | None:
    """Of SPILL_FOLDER; None where the shop set none."""
    folder = conf.SPILL_FOLDER
    if not folder:
        return None
    if _state.spill is None or _state.folder != folder:
        _state.spill, _state.folder = Spill(Path(folder)), folder
    return _state.spill


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


def _write_in_time(batches: Sequence[Batch]) -> Sequence[Found | Exception]:
    """Together, but for those that share a bucket with one before: they come a statement later."""
    found: dict[int, Found] = {}
    try:
        for places in turns([batch.charge for batch in batches]):
            with in_time():
                found |= zip(places, _write_each([batches[place] for place in places]), strict=True)
    except AWAY as error:
        return [found.get(place, error) for place in range(len(batches))]
    return [found[place] for place in range(len(batches))]


_group: Final = GroupCommit(_write_in_time)


def _keep_inside(batch: Batch) -> Outcome:
    if batch.sender.needs_row:
        return _spill_after_commit(batch)
    try:
        batch = verified(batch)
        found: Any = _write_each([batch])[0] if batch.received or batch.charge else Outcome(0)
        if isinstance(found, Outcome):
            _store_seen(batch, found)
    except AWAY:
        return _spill_after_commit(batch)
    if isinstance(found, Outcome):
        return found
    raise found


def _write_each(batches: Sequence[Batch]) -> Sequence[Found]:
    """Together; where the database refuses that, one by one, so that nobody's rows spoil those of others."""
    try:
        with read_only_is_away():
            return write(batches)
    except AWAY:
        raise
    except DatabaseError:
        if len(batches) > 1:
            return [found for batch in batches for found in _write_each([batch])]
        logger.exception("The database refuses a batch; its rows go to quarantine.")
        return write([_without_drafts(batches[0], "not_storable")])


def _without_drafts(batch: Batch, code: str, **changes: object) -> Batch:
    """The batch with its drafts rejected."""
    rejected = [Rejected(draft.index, code, "", draft.raw) for draft in batch.drafts]
    return msgspec.structs.replace(batch, drafts=[], rejected=rejected + batch.rejected, impressions={}, **changes)


# --- on disk


def _spill(batch: Batch) -> Outcome:
    spill = spill_files()
    if spill is None:
        raise NotKept(NotKept.__doc__)
    try:
        spill.append(msgspec.structs.replace(batch, charge=None))
    except OSError as error:
        raise NotKept(f"{NotKept.__doc__} The disk says: {error}") from error
    _ensure_drainer()
    return _spilled(batch)


def _spill_after_commit(batch: Batch) -> Outcome:
    """A savepoint undid what we did; if the shop's transaction lives and commits, the events are kept after it."""
    if spill_files() is None:
        raise NotKept(NotKept.__doc__)
    with transaction.atomic():  # outside a block Django takes no hook of a shop that commits by hand
        transaction.on_commit(partial(_spill, batch), robust=True)
    return _spilled(batch)


def _spilled(batch: Batch) -> Outcome:
    keeps = [batch.keeps and each.code not in REFUSED for each in batch.rejected]
    return Outcome(
        batch.received,
        spilled=len(batch.drafts),
        quarantined=[each for each, is_kept in zip(batch.rejected, keeps, strict=True) if is_kept],
        refused=[each for each, is_kept in zip(batch.rejected, keeps, strict=True) if not is_kept],
    )


def _note_outage() -> None:
    _state.is_away = True
    _ensure_drainer()


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
    spill = spill_files()
    with _state.lock:
        if spill is not None and spill.holds_own():
            return False
        _state.is_away, _state.drainer = False, None
        return True


@read_only_is_away()
def _write_late(chunk: Chunk) -> None:
    """Store them once; whoever was erased meanwhile stays erased, whoever logged in gets them on the account."""
    known = [verified(with_visitor(batch)) for batch in chunk.batches]
    ensure_partitions(known)
    with transaction.atomic():
        new = note_drained(chunk, known)
        for batch, found in zip(new, _write_each(new), strict=True):
            if isinstance(found, Outcome):
                _store_seen(batch, found)
                continue
            owner = owner_meanwhile(batch.sender.key, batch.drafts)
            moved = msgspec.structs.replace(batch, sender=Sender(owner.key)) if owner else None
            if moved is None or not isinstance(_write_each([moved])[0], Outcome):
                write([_without_drafts(batch, "erased", sender=NOBODY, keeps=False)])


def _store_seen(batch: Batch, found: Outcome) -> None:
    visitor = visitor_with(batch.sender.key) if batch.seen else None
    if visitor is not None:
        doubt = batch.doubt or (Event.Doubt.RATE.value if found.is_inhuman else Event.Doubt.NONE.value)
        with suppress(VisitorNotFound, NoConsent):
            store_impressions(visitor, batch.seen, doubt)
