"""One event as somebody sent it → a checked draft, or the reason why it is refused. Rows are judged one by one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from recommender.capture.items import existing_keys, key_or_none
from recommender.capture.tables import KINDS
from recommender.conf import conf
from recommender.exceptions import EventRefused

KIND_CODES: Final = {name: code for code, name in KINDS.items()}
MAX_QUANTITY: Final = 1_000_000  # pieces; a typing error is more likely than an order of more
MAX_VALUE_CENTS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Draft:
    """A valid event that is not stored yet; `token` is not verified."""

    id: UUID
    item: Any
    kind: int
    at: datetime
    quantity: int
    value_cents: int | None
    token: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Row `index` of the batch was refused: `code` for programs (it stays the same), `reason` for people."""

    index: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Every row of a batch is in one of the two lists."""

    drafts: list[Draft]
    refused: list[Refusal]


def check_rows(
    rows: Iterable[object], *, kinds: Collection[str] = KIND_CODES, clock_offset: timedelta = timedelta()
) -> CheckedRows:
    """Judge every row by itself; one query, for the items.

    Args:
        rows: what should be mappings {item, kind, id?, at?, quantity?, value_cents?, token?}.
        kinds: names of the kinds that this sender may record.
        clock_offset: our clock minus the sender's; added to the times.
    """
    now = timezone.now()
    drafts: dict[int, Draft] = {}
    refused: list[Refusal] = []
    for index, row in enumerate(rows):
        try:
            drafts[index] = _draft(row, kinds, now, clock_offset)
        except EventRefused as error:
            refused.append(Refusal(index, error.code, error.reason))
    known = existing_keys([draft.item for draft in drafts.values()])
    for index in [index for index, draft in drafts.items() if draft.item not in known]:
        del drafts[index]
        refused.append(Refusal(index, "unknown_item", _("There is no such item.")))
    return CheckedRows(list(drafts.values()), sorted(refused, key=lambda refusal: refusal.index))


def read_time(value: object) -> datetime:
    """ISO 8601 with an offset (or an aware datetime) → datetime.

    Raises:
        EventRefused: anything else.
    """
    time = value
    if isinstance(value, str):
        try:
            time = parse_datetime(value)
        except ValueError:
            time = None
    if not isinstance(time, datetime) or timezone.is_naive(time):
        raise EventRefused("bad_time", _("A time must be ISO 8601 with an offset: 2026-11-24T12:00:00Z."))
    return time


def _draft(row: object, kinds: Collection[str], now: datetime, clock_offset: timedelta) -> Draft:
    if not isinstance(row, Mapping):
        raise EventRefused("not_an_object", _("An event must be an object with item and kind."))
    return Draft(
        id=_id(row.get("id")),
        item=_item(row.get("item")),
        kind=_kind(row.get("kind"), kinds),
        at=_at(row.get("at"), now, clock_offset),
        quantity=_quantity(row.get("quantity")),
        value_cents=_value_cents(row.get("value_cents")),
        token=_token(row.get("token")),
    )


def _id(value: object) -> UUID:
    if value is None:
        return uuid7()
    try:
        key = value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None
    except ValueError:
        key = None
    if key is None or key.version != 7:
        raise EventRefused("bad_id", _("id must be a UUID of version 7, made once for each event."))
    return key


def _item(value: object) -> Any:
    key = key_or_none(value)
    if key is None:
        raise EventRefused("unknown_item", _("There is no such item."))
    return key


def _kind(value: object, kinds: Collection[str]) -> int:
    if not isinstance(value, str) or value not in KIND_CODES:
        raise EventRefused("unknown_kind", _("kind must be one of: %(kinds)s.") % {"kinds": ", ".join(KIND_CODES)})
    if value not in kinds:
        message = _("%(kind)s events come from the shop itself or from an app with an API key.")
        raise EventRefused("forbidden_kind", message % {"kind": value})
    return KIND_CODES[value]


def _at(value: object, now: datetime, clock_offset: timedelta) -> datetime:
    if value is None:
        return now
    time = read_time(value)
    try:
        age = now - (time + clock_offset)
    except OverflowError:
        age = timedelta.max if time < now else timedelta.min
    if age > timedelta(days=conf.MAX_EVENT_AGE_DAYS):
        raise EventRefused("too_old", _("Events may be %(days)s days old.") % {"days": conf.MAX_EVENT_AGE_DAYS})
    if age < -timedelta(seconds=conf.MAX_CLOCK_SKEW_SECONDS):
        raise EventRefused("in_future", _("The event lies in the future."))
    return now - max(age, timedelta())  # nothing that was stored is newer than now


def _quantity(value: object) -> int:
    number = 1 if value is None else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_QUANTITY:
        message = _("quantity must be a whole number from 1 to %(most)s.")
        raise EventRefused("bad_quantity", message % {"most": MAX_QUANTITY})
    return number


def _value_cents(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_VALUE_CENTS:
        message = _("value_cents must be a whole number from 0 to %(most)s.")
        raise EventRefused("bad_value", message % {"most": MAX_VALUE_CENTS})
    return value


def _token(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise EventRefused("bad_token", _("token must be text."))
    return value
