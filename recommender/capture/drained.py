"""Batches of a spill file are stored once: how many of them are is noted in the transaction that stores them.

Between that commit and the deletion of the file lies a moment in which a process can die. The events of a file that is
drained again would be duplicates by their ids; the note keeps the ledger from counting them, and rows that were
rejected from going to quarantine, a second time.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec
from django.db import transaction
from django.utils import timezone

from recommender.capture.away import read_only_is_away
from recommender.capture.batch import NOBODY, Batch, Outcome, Sender
from recommender.capture.joins import owner_meanwhile
from recommender.capture.sender import store_seen, verified, with_visitor
from recommender.capture.spill import Chunk
from recommender.capture.store import ensure_partitions, without_drafts, write, write_each
from recommender.models import DrainedFile

KEPT_DAYS: Final = 90  # a file that a machine still has after this long, half drained, is booked twice


@read_only_is_away()
def write_late(chunk: Chunk) -> None:
    """Store them once; whoever was erased meanwhile stays erased, whoever logged in gets them on the account."""
    known = [verified(with_visitor(batch)) for batch in chunk.batches]
    ensure_partitions(known)
    with transaction.atomic():
        new = _note_drained(chunk, known)
        for batch, found in zip(new, write_each(new), strict=True):
            if isinstance(found, Outcome):
                store_seen(batch, found)
                continue
            owner = owner_meanwhile(batch.sender.key, batch.drafts)
            moved = msgspec.structs.replace(batch, sender=Sender(owner.key)) if owner else None
            if moved is None or not isinstance(write_each([moved])[0], Outcome):
                write([without_drafts(batch, "erased", sender=NOBODY, keeps=False)])


def _note_drained(chunk: Chunk, batches: Sequence[Batch]) -> Sequence[Batch]:
    """Note in the open transaction that the chunk is stored; those of its `batches` that were not stored before."""
    note, _is_new = DrainedFile.objects.select_for_update().get_or_create(name=chunk.file, defaults={"batches": 0})
    stored = note.batches - chunk.first
    if stored < len(batches):
        note.batches = chunk.first + len(batches)
        note.save(update_fields=["batches"])
    return batches[max(0, stored) :]


def forget_drained() -> int:
    """Delete notes that are KEPT_DAYS old; how many."""
    return DrainedFile.objects.filter(drained_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()[0]
