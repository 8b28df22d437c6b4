"""Which batches of a spill file are stored: noted in the transaction that stores them.

Between that commit and the deletion of the file lies a moment in which a process can die. The events of a file that is
drained again would be duplicates by their ids; the note keeps the ledger from counting them, and rows that were
rejected from going to quarantine, a second time.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.utils import timezone

from recommender.capture.batch import Batch
from recommender.capture.spill import Chunk
from recommender.models import DrainedFile

KEPT_DAYS: Final = 90  # a file that a machine still has after this long, half drained, is booked twice


def note_drained(chunk: Chunk, batches: Sequence[Batch]) -> Sequence[Batch]:
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
