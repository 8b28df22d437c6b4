"""Lists that visitors saw, with the chance of each item and what was clicked: what an estimate is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from recommender.capture.partitions import first_id, milliseconds_of
from recommender.models import Arm, Event, Impression

TICK: Final = timedelta(milliseconds=1)  # what an id tells of its time
MOMENT: Final = timedelta(seconds=5)  # between a list of a replay, and its clicks

# Without doubted lists and clicks, and without interleaved lists: their slots were drafted, and not by these chances.
_STATEMENT: Final = f"""
SELECT list_id, visitor_id, items, propensities, slots, seen_at, (
    SELECT coalesce(array_agg(DISTINCT item_id::text), ARRAY[]::text[]) FROM {Event._meta.db_table} AS act
    WHERE act.visitor_id = own.visitor_id AND kind = {Event.Kind.CLICK} AND act.doubt = 0
        AND impression ->> 'list' = own.list_id::text
)
FROM {Impression._meta.db_table} AS own
WHERE placement = %(placement)s AND rung = %(rung)s AND doubt = 0 AND propensities IS NOT NULL AND list_id >= %(since)s
    AND (arm_id IS NULL OR arm_id NOT IN (
        SELECT id FROM {Arm._meta.db_table} WHERE strategy = '{Arm.Strategy.INTERLEAVED}'))
ORDER BY list_id DESC LIMIT %(most)s
"""  # noqa: S608  names and numbers of our own


@dataclass(frozen=True, slots=True)
class SeenList:
    """One list of one visitor, and the slots that were seen.

    Attributes:
        made_at: when it was rendered, UTC, by the clock of its visitor's events. length: slots that the list had.
        items: keys as text of the seen slots, in order. chances: their propensities. clicked: which were clicked.
        slots: 1-based.
    """

    visitor: int
    made_at: datetime
    length: int
    slots: Sequence[int]
    items: Sequence[str]
    chances: Sequence[float]
    clicked: Sequence[bool]

    @property
    def is_drawn(self) -> bool:
        """Whether chance had a part in what was seen."""
        return any(chance < 1 for chance in self.chances)


def seen_lists(placement: str, rung: str, since: datetime, most: int) -> list[SeenList]:
    """The newest `most` lists that were made after `since`, not in the same millisecond; the newest first."""
    values: dict[str, Any] = {"placement": placement, "rung": rung, "since": first_id(since + TICK), "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, values)
        return [_seen(*row) for row in cursor.fetchall()]


def _seen(
    list_id: UUID,
    visitor: int,
    items: list[str],
    chances: list[float],
    slots: list[int],
    seen_at: datetime,
    clicked: list[str],
) -> SeenList:
    made_at = datetime.fromtimestamp(milliseconds_of(list_id) / 1_000, UTC)
    if seen_at < made_at:  # a replay has moved it into the past, with all that its visitor did; an id cannot move
        made_at = seen_at - MOMENT
    shown = [items[slot - 1] for slot in slots]
    return SeenList(
        visitor,
        made_at,
        len(items),
        slots,
        shown,
        [chances[slot - 1] for slot in slots],
        [item in clicked for item in shown],
    )
