"""What checking makes of rows: drafts of events, rejected rows, and the sender's clock that they were judged by."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from django.utils import timezone

from recommender.capture.partitions import CLOCK_TOLERANCE
from recommender.conf import conf

MAX_SKEW_SECONDS: Final = 2**31 - 1  # what the column holds: 68 years


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A valid event that is not stored yet; whether its item exists is not known, and `token` is not verified.

    Attributes:
        index: the row's place in its batch. raw: the row as it was sent, JSON.
        id: the key to store it by. twin: under which it lies where its id was judged by another clock, see `_place`.
    """

    index: int
    raw: bytes
    id: UUID
    twin: UUID
    item: Any
    kind: int
    at: datetime
    quantity: int
    value_cents: int | None
    token: str


class Rejected(msgspec.Struct, frozen=True):
    """Row `index` of the batch is wrong: `code` for programs (it stays the same), `reason` for people."""

    index: int
    code: str
    reason: str
    raw: bytes


class Clock(NamedTuple):
    """The sender's clock against ours, and what is believed of it.

    Attributes:
        skew: our clock minus theirs, None where they did not say.
        oldest, newest: of the times of events. first_id_ms, last_id_ms: of the times in their ids.
    """

    now: datetime
    skew: timedelta | None
    oldest: datetime
    newest: datetime
    first_id_ms: float
    last_id_ms: float

    @property
    def skew_seconds(self) -> int | None:
        if self.skew is None:
            return None
        return max(-MAX_SKEW_SECONDS, min(MAX_SKEW_SECONDS, round(self.skew.total_seconds())))


class CheckedRows(NamedTuple):
    """Every row of a batch is in one of the two lists."""

    drafts: list[Draft]
    rejected: list[Rejected]
    clock: Clock


def clock_of(sent_at: datetime | None = None, now: datetime | None = None) -> Clock:
    """What `sent_at`, by the sender's clock, says about the sender's times; `now`: when it arrived."""
    now = now or timezone.now()
    oldest = now - timedelta(days=conf.MAX_EVENT_AGE_DAYS)
    return Clock(
        now,
        now - sent_at if sent_at is not None else None,
        oldest,
        now + timedelta(seconds=conf.MAX_CLOCK_SKEW_SECONDS),
        (oldest - CLOCK_TOLERANCE).timestamp() * 1_000,
        (now + CLOCK_TOLERANCE).timestamp() * 1_000,
    )
