"""The conservation law of capture, day by day: received = stored + duplicate + quarantined + refused.

What was received is counted at the door, what became of it by the statement that did it, in its transaction; a row
that gets lost between the two shows as a difference. Events that wait on disk are booked when they are stored, on the
day on which they came.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from recommender.capture.partitions import has_default_rows
from recommender.models import Event, LedgerEntry

TABLE = LedgerEntry._meta.db_table
OUTCOMES = ("stored", "duplicate", "quarantined", "refused")
COUNTS = ("received", *OUTCOMES)


@dataclass(frozen=True, slots=True)
class Line:
    """One day of one source, in rows."""

    day: date
    source: int
    received: int
    stored: int
    duplicate: int
    quarantined: int
    refused: int

    @property
    def difference(self) -> int:
        """0, or the law is broken: rows that were received and have no outcome."""
        return self.received - self.stored - self.duplicate - self.quarantined - self.refused

    @property
    def source_name(self) -> str:
        """One lower-case word, for programs."""
        return Event.Source(self.source).name.lower()

    @property
    def source_label(self) -> str:
        return str(Event.Source(self.source).label)


def lines(days: int | None = None) -> list[Line]:
    """The newest day first; `days`: no further back than these."""
    entries = LedgerEntry.objects.all()
    if days is not None:
        entries = entries.filter(day__gt=timezone.now().date() - timedelta(days=days))
    sums = entries.order_by("-day", "source").values_list("day", "source").annotate(*map(Sum, COUNTS))
    return [Line(day, source, *map(int, counts)) for day, source, *counts in sums]


def store_alarms() -> tuple[bool, bool]:
    """(events lie in the default partition, a day does not add up)."""
    return has_default_rows(), any(line.difference for line in lines())


def compact() -> int:
    """Add the entries of a day and source up to one; how many there were. Two at once do no harm."""
    columns = ", ".join(COUNTS)
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH gone AS (DELETE FROM {TABLE} WHERE (day, source) IN"  # noqa: S608  names of our own
            f" (SELECT day, source FROM {TABLE} GROUP BY 1, 2 HAVING count(*) > 1) RETURNING *),"
            f" added AS (INSERT INTO {TABLE} (day, source, {columns})"
            f" SELECT day, source, {sums} FROM gone GROUP BY 1, 2)"
            " SELECT count(*) FROM gone"
        )
        return int(cursor.fetchone()[0])
