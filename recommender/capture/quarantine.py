"""Rows that could not be stored: tried again once their cause is mended, and let go after QUARANTINE_DAYS."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from recommender.capture.batch import Batch, Outcome, Sender
from recommender.capture.drafts import clock_of
from recommender.capture.rows import BROWSER_KINDS, KIND_CODES, check_rows
from recommender.capture.sender import verified
from recommender.capture.store import write
from recommender.conf import conf
from recommender.models import Event, LedgerEntry, QuarantinedEvent


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the rows that were tried again."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    still: int = 0  # in quarantine: cut, of nobody, or still wrong

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.refused + other.refused,
            self.still + other.still,
        )


def replay(keys: Iterable[int]) -> Replayed:
    """Try the rows with these primary keys again, each as of the moment at which it came."""
    return sum((_replay(key) for key in keys), Replayed())


def trim() -> int:
    """Delete what is older than QUARANTINE_DAYS, and all but the newest QUARANTINE_ROWS; how many."""
    old = QuarantinedEvent.objects.filter(received_at__lt=timezone.now() - timedelta(days=conf.QUARANTINE_DAYS))
    beyond = QuarantinedEvent.objects.order_by("-pk").values_list("pk", flat=True)[conf.QUARANTINE_ROWS :][:1]
    surplus = QuarantinedEvent.objects.filter(pk__lte=next(iter(beyond), -1))
    return old.delete()[0] + surplus.delete()[0]


@transaction.atomic
def _replay(key: int) -> Replayed:
    row = QuarantinedEvent.objects.select_for_update().filter(pk=key).first()
    if row is None or row.visitor is None or row.is_cut:
        return Replayed(still=1 if row else 0)
    # Moved on in the books: what `write` decides now takes the place of "quarantined" on the day it came.
    zeros = {name: 0 for name in ("received", "stored", "duplicate", "refused")}
    LedgerEntry.objects.create(day=row.received_at.date(), source=row.source, quarantined=-1, **zeros)
    (found,) = write([verified(_batch(row))])
    if not isinstance(found, Outcome):
        transaction.set_rollback(True)
        return Replayed(still=1)
    row.delete()
    return Replayed(found.stored, found.duplicates, len(found.refused), len(found.quarantined))


def _batch(row: QuarantinedEvent) -> Batch:
    assert row.visitor is not None  # noqa: S101  asked before
    skew = row.clock_skew_seconds
    sent_at = None if skew is None else row.received_at - timedelta(seconds=skew)
    kinds = BROWSER_KINDS if row.source == Event.Source.BEACON else KIND_CODES
    checked = check_rows([row.payload.encode()], kinds=kinds, clock=clock_of(sent_at, row.received_at))
    # Received 0: it was counted when it came.
    return Batch(
        Sender(row.visitor.key), row.source, 0, row.received_at, skew, checked.drafts, checked.rejected, row.doubt
    )
