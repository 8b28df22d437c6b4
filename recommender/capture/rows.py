"""One event as somebody sent it → a checked draft, or the reason why it is rejected. Rows are judged one by one.

msgspec reads a row at a microsecond where its types are right. A row that it does not take is read again by the
tolerant parser of the standard library, which finds out what is wrong with it; both end in the same checks.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from recommender.capture.drafts import CheckedRows, Clock, Draft, Rejected, clock_of
from recommender.capture.items import key_or_none
from recommender.capture.partitions import milliseconds_of, undated
from recommender.capture.tables import KINDS
from recommender.catalog import key_field
from recommender.conf import conf
from recommender.exceptions import EventRefused

KIND_CODES: Final = {name: code for code, name in KINDS.items()}
BROWSER_KINDS: Final = ("view", "click", "cart")  # a purchase is the shop's word
MAX_QUANTITY: Final = 1_000_000  # pieces; a typing error is more likely than an order of more
MAX_VALUE_CENTS: Final = 10**12
MAX_DIGITS: Final = 20  # of a number; longer ones are beyond every limit, and slow to read


class _Row(msgspec.Struct):
    item: int | str
    kind: str
    id: UUID | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    quantity: int | None = None
    value_cents: int | None = None
    token: str | None = None


_typed: Final = msgspec.json.Decoder(_Row)


def check_rows(
    rows: Sequence[object], *, kinds: Collection[str] = KIND_CODES, clock: Clock | None = None
) -> CheckedRows:
    """Judge every row by itself, without the database.

    Args:
        rows: each JSON as bytes, or what should be a mapping {item, kind, id?, at?, quantity?, value_cents?, token?}.
        kinds: names of the kinds that this sender may record.
    """
    clock = clock or clock_of()
    drafts: list[Draft] = []
    rejected: list[Rejected] = []
    field = key_field()
    for index, row in enumerate(rows):
        raw = row if isinstance(row, bytes) else _raw(row)
        try:
            drafts.append(_draft(index, raw, row, kinds, clock, field))
        except EventRefused as error:
            rejected.append(Rejected(index, error.code, error.reason, raw))
    return CheckedRows(drafts, rejected, clock)


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


def read_json(text: bytes) -> Any:
    """JSON as tolerant as Python reads it: with NaN, lone surrogates, and numbers of any length.

    Raises:
        ValueError: it is no JSON. RecursionError: it is nested a thousand deep.
    """
    return json.loads(text, parse_int=_integer)


def _draft(index: int, raw: bytes, row: object, kinds: Collection[str], clock: Clock, field: Any) -> Draft:
    fields = _fields(row)
    at = _at(fields.at, clock)
    key, twin = _place(_id(fields.id, at), clock)
    return Draft(
        index,
        raw,
        key,
        twin,
        _item(fields.item, field),
        _kind(fields.kind, kinds),
        at,
        _quantity(fields.quantity),
        _value_cents(fields.value_cents),
        _token(fields.token),
    )


def _fields(row: object) -> Any:
    """The fields of a row as attributes, of whatever type they came in."""
    if isinstance(row, bytes):
        try:
            return _typed.decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            try:
                row = read_json(row)
            except (ValueError, RecursionError) as error:
                raise EventRefused("bad_json", _("This is not JSON: %(error)s") % {"error": error}) from error
    if not isinstance(row, Mapping):
        raise EventRefused("not_an_object", _("An event must be an object with item and kind."))
    untyped: Any = _Row  # a constructor checks no types
    return untyped(**{name: row.get(name) for name in _Row.__struct_fields__})


def _raw(row: object) -> bytes:
    return json.dumps(row, default=str).encode()


def _integer(digits: str) -> int | float:
    """One absurd number rejects its own row, not the whole batch."""
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


def _id(value: object, at: datetime) -> UUID:
    if value is None:
        return uuid7(nanoseconds=int(at.timestamp() * 1_000_000) * 1_000)
    try:
        key = value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None
    except ValueError:
        key = None
    if key is None or key.version != 7:
        raise EventRefused("bad_id", _("id must be a UUID of version 7, made once for each event."))
    return key


def _place(key: UUID, clock: Clock) -> tuple[UUID, UUID]:
    """(key to store by, its other form): a time that cannot be is taken out of the id, lest it lie in a wrong month.

    Clocks go on, so a later try may judge the same id otherwise: whoever stores looks for both forms.
    """
    is_possible = clock.first_id_ms <= milliseconds_of(key) <= clock.last_id_ms
    return (key, undated(key)) if is_possible else (undated(key), key)


def _item(value: object, field: Any) -> Any:
    key = key_or_none(value, field)
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


def _at(value: object, clock: Clock) -> datetime:
    if value is None:
        return clock.now
    time = read_time(value)
    try:
        time = (time + (clock.skew or timedelta())).astimezone(UTC)
    except OverflowError:
        time = datetime.max.replace(tzinfo=UTC) if time > clock.now else datetime.min.replace(tzinfo=UTC)
    if time < clock.oldest:
        raise EventRefused("too_old", _("Events may be %(days)s days old.") % {"days": conf.MAX_EVENT_AGE_DAYS})
    if time > clock.newest:
        raise EventRefused("in_future", _("The event lies in the future."))
    return min(time, clock.now)  # nothing that was stored is newer than now


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
    return value if value.isascii() else ""  # none of ours; a lone surrogate cannot even be written down
