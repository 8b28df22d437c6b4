"""Durable or not at all: a batch is committed, or fsynced to the spill file, or the sender is told to come again.

Nobody waits for a database that is away, see `outage`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from recommender.capture.away import AWAY
from recommender.capture.batch import Batch, Outcome
from recommender.capture.group_commit import GroupCommit
from recommender.capture.outage import database_is_away, in_time, spill, spill_after_commit
from recommender.capture.rate_limit import turns
from recommender.capture.sender import store_seen, verified
from recommender.capture.store import Found, write_each
from recommender.savepoints import in_transaction


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
    if database_is_away() or batch.sender.needs_row:
        return spill(batch)
    try:
        if any(draft.token for draft in batch.drafts):
            with in_time():
                batch = verified(batch)
        outcome = _group.write(batch) if batch.received or batch.charge else Outcome(0)
    except AWAY:
        return spill(batch)
    try:
        if batch.seen:
            with in_time():
                store_seen(batch, outcome)
    except AWAY:  # its rows are committed and booked
        spill(msgspec.structs.replace(batch, received=0, drafts=[], rejected=[]))
    return outcome


def _keep_inside(batch: Batch) -> Outcome:
    if batch.sender.needs_row:
        return spill_after_commit(batch)
    try:
        batch = verified(batch)
        found: Any = write_each([batch])[0] if batch.received or batch.charge else Outcome(0)
        if isinstance(found, Outcome):
            store_seen(batch, found)
    except AWAY:
        return spill_after_commit(batch)
    if isinstance(found, Outcome):
        return found
    raise found


def _write_in_time(batches: Sequence[Batch]) -> Sequence[Found | Exception]:
    """Together, but for those that share a bucket with one before: they come a statement later."""
    found: dict[int, Found] = {}
    try:
        for places in turns([batch.charge for batch in batches]):
            with in_time():
                found |= zip(places, write_each([batches[place] for place in places]), strict=True)
    except AWAY as error:
        return [found.get(place, error) for place in range(len(batches))]
    return [found[place] for place in range(len(batches))]


_group: Final = GroupCommit(_write_in_time)
