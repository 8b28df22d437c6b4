"""Checked rows of one sender on their way to the database or to the disk, and what became of them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from recommender.capture.drafts import Draft, Rejected
from recommender.capture.rate_limit import Charge
from recommender.models import Event

REFUSED: Final = ("forbidden_kind", "not_an_object", "erased")  # nothing to mend; all else is kept in quarantine
GONE: Final = ("unknown_visitor", "no_consent", "too_fast")  # concern a whole batch, of which nothing is counted


class Sender(msgspec.Struct, frozen=True):
    """Who did it, as far as it is known without the database.

    Attributes:
        key: `Visitor.key`.
        account: primary key of the account, where its visitor could not be looked up.
        is_browser: the key comes from a cookie, so it is no account's.
        is_new: the key was made while the database was away; its row is made when it is back.
    """

    key: UUID | None = None
    account: int | str | None = None
    is_browser: bool = False
    is_new: bool = False

    @property
    def needs_row(self) -> bool:
        """Whether its visitor is still to be found or made, which is left to whoever drains the spill file."""
        return self.is_new or self.account is not None


NOBODY: Final = Sender()


class Batch(msgspec.Struct, frozen=True):
    """Rows of one sender.

    Attributes:
        sender: nobody where no row is valid, and so nobody was looked up.
        received: rows, counted at the door.
        doubt: an `Event.Doubt` of all rows.
        keeps: rejected rows go to quarantine; False: their sender is told, and minds them itself.
        impressions: `Draft.index` → the list that the item was in, verified; None: not verified yet.
        seen: rows of seen slots that came along, see `impressions`; only kept here while the database is away.
        charge: of the limits of rate, for events that come right now; None: they have none, or it was paid.
    """

    sender: Sender
    source: int
    received: int
    received_at: datetime
    skew_seconds: int | None
    drafts: list[Draft]
    rejected: list[Rejected]
    doubt: int = Event.Doubt.NONE.value
    keeps: bool = True
    impressions: dict[int, dict[str, Any]] | None = None
    seen: list[Any] = []
    charge: Charge | None = None


class Outcome(msgspec.Struct):
    """received = stored + duplicates + spilled + quarantined + refused, always.

    Attributes:
        is_inhuman: no person sends so much in so little time.
    """

    received: int
    stored: int = 0
    duplicates: int = 0
    spilled: int = 0  # on disk until the database is back
    quarantined: list[Rejected] = []
    refused: list[Rejected] = []
    is_inhuman: bool = False
