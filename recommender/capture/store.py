"""Checked rows → Event rows, quarantine and ledger: one statement for any number of batches, so one transaction.

The statement decides about every row: stored, duplicate, quarantined or refused; and it writes the ledger's entries of
exactly these decisions. Either all of it is committed or nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from recommender.capture import partitions
from recommender.capture.rows import Draft, Rejected
from recommender.capture.tables import CLICK
from recommender.catalog import item_model, key_field
from recommender.exceptions import NoConsent, VisitorNotFound
from recommender.models import Event, LedgerEntry, QuarantinedEvent, Visitor

PAYLOAD_CHARACTERS: Final = 2_000  # of a row in quarantine; with its token an ordinary event has 700
REFUSED: Final = ("forbidden_kind", "not_an_object", "erased")  # nothing to mend; all else is kept in quarantine
GONE: Final = ("unknown_visitor", "no_consent")  # concern a whole batch: its sender has to be looked up again


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


class Outcome(msgspec.Struct):
    """received = stored + duplicates + spilled + quarantined + refused, always."""

    received: int
    stored: int = 0
    duplicates: int = 0
    spilled: int = 0  # on disk until the database is back
    quarantined: list[Rejected] = []
    refused: list[Rejected] = []


def write(batches: Sequence[Batch]) -> list[Outcome | VisitorNotFound | NoConsent]:
    """Write all batches in one transaction, or in a savepoint of the one that is open.

    Returns:
        By batch its outcome, or why nothing of it was counted nor stored: its visitor is gone or wants no memory.
    """
    is_inside = connection.in_atomic_block
    if not is_inside:
        _ensure_partitions(batches)
    with transaction.atomic() if is_inside else nullcontext(), connection.cursor() as cursor:
        batches = [_without_twins(cursor, batch) for batch in batches]
        statement = _statement(item_model(), _item_type())
        decided = _execute(cursor, statement, [_encode(_batches(batches)), _encode(_rows(batches))])
    return _outcomes(batches, decided)


def _execute(cursor: Any, statement: str, parameters: list[str]) -> list[Any]:
    """The rows of a statement that is planned once a connection: planning took as long as storing.

    Behind a pooler that hands the connection on after each transaction, where Django wants
    DISABLE_SERVER_SIDE_CURSORS, it is planned every time.
    """
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
    raw = cursor.connection
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0  # Django's None would forbid it, for the shop's own
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as prepared:
            return prepared.execute(statement, parameters).fetchall()
    finally:
        raw.prepare_threshold = threshold


def _outcomes(
    batches: Sequence[Batch], decided: Iterable[tuple[int, int, str, str]]
) -> list[Outcome | VisitorNotFound | NoConsent]:
    found: list[Any] = [Outcome(batch.received, quarantined=[], refused=[]) for batch in batches]
    for number, place, status, code in decided:
        outcome, batch = found[number], batches[number]
        if status == "gone":
            error = NoConsent if code == "no_consent" else VisitorNotFound
            found[number] = error(error.__doc__)
        elif status == "stored":
            outcome.stored += 1
        elif status == "duplicate":
            outcome.duplicates += 1
        else:
            rejected = batch.rejected[place - len(batch.drafts)] if place >= len(batch.drafts) else None
            draft = batch.drafts[place] if rejected is None else None
            why = rejected or Rejected(draft.index, code, _reason(code), draft.raw)  # type: ignore[union-attr]
            (outcome.quarantined if status == "quarantined" else outcome.refused).append(why)
    for outcome in found:
        if isinstance(outcome, Outcome):
            outcome.quarantined.sort(key=lambda row: row.index)
            outcome.refused.sort(key=lambda row: row.index)
    return found


def _reason(code: str) -> str:
    return _("This visitor was erased after the event.") if code == "erased" else _("There is no such item.")


def _without_twins(cursor: Any, batch: Batch) -> Batch:
    """A try under a clock that judged the ids otherwise: what lies there already is sent under that id, a duplicate."""
    twins = [draft.twin for draft in batch.drafts if draft.id < draft.twin]
    if not twins:
        return batch
    cursor.execute(f"SELECT id FROM {Event._meta.db_table} WHERE id = ANY(%s)", [twins])  # noqa: S608  own names
    known = {key for (key,) in cursor.fetchall()}
    drafts = [
        msgspec.structs.replace(draft, id=draft.twin, twin=draft.id) if draft.twin in known else draft
        for draft in batch.drafts
    ]
    return msgspec.structs.replace(batch, drafts=drafts)


# --- partitions


_known_months: set[date] = set()


def _ensure_partitions(batches: Sequence[Batch]) -> None:
    """Create the months of these rows where nobody did ahead; a lock that is taken costs a detour, not the events."""
    keys = [draft.id for batch in batches for draft in batch.drafts if draft.twin < draft.id]
    if not keys:
        return
    months = {month for key in (min(keys), max(keys)) if (month := partitions.month_of(key))}
    if months <= _known_months:
        return
    try:
        partitions.ensure_months(months)
    except OperationalError:  # the rows go to the default partition, and from there when the month is created
        return
    _known_months.update(months)


# --- the statement


class _BatchRow(msgspec.Struct):
    batch: int
    visitor: UUID | None
    is_browser: bool
    source: int
    keeps: bool
    skew: int | None
    received_at: datetime
    received: int


class _EventRow(msgspec.Struct, omit_defaults=True):
    batch: int
    place: int
    raw: str
    code: str | None = None
    id: UUID | None = None
    twin: UUID | None = None
    item: Any = None
    kind: int | None = None
    at: datetime | None = None
    quantity: int | None = None
    value_cents: int | None = None
    impression: dict[str, Any] | None = None
    doubt: int = 0


def _encode(rows: Iterable[msgspec.Struct]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def _batches(batches: Sequence[Batch]) -> Iterable[_BatchRow]:
    for number, batch in enumerate(batches):
        yield _BatchRow(
            number,
            batch.sender.key,
            batch.sender.is_browser,
            batch.source,
            batch.keeps,
            batch.skew_seconds,
            batch.received_at,
            batch.received,
        )


def _rows(batches: Sequence[Batch]) -> Iterable[_EventRow]:
    prepare = key_field().get_db_prep_value
    for number, batch in enumerate(batches):
        impressions = batch.impressions or {}
        for place, draft in enumerate(batch.drafts):
            impression = impressions.get(draft.index)
            is_forgeable = batch.source == Event.Source.BEACON and draft.kind == CLICK
            yield _EventRow(
                number,
                place,
                _text(draft.raw),
                None,
                draft.id,
                draft.twin,
                prepare(draft.item, connection),
                draft.kind,
                draft.at,
                draft.quantity,
                draft.value_cents,
                impression,
                batch.doubt or (Event.Doubt.NO_TOKEN.value if is_forgeable and impression is None else 0),
            )
        for place, rejected in enumerate(batch.rejected, start=len(batch.drafts)):
            yield _EventRow(number, place, _text(rejected.raw), rejected.code)


def _text(raw: bytes) -> str:
    """A payload as Postgres can store it; one character more than is kept shows that it was cut."""
    return raw[: PAYLOAD_CHARACTERS + 1].decode(errors="backslashreplace").replace("\0", "\\0")


def _item_type() -> str:
    return str(key_field().rel_db_type(connection))


@lru_cache(maxsize=4)
def _statement(items: Any, item_type: str) -> str:
    quoted = ", ".join(f"'{code}'" for code in REFUSED)
    gone = ", ".join(f"'{code}'" for code in GONE)
    key = connection.ops.quote_name(items._meta.pk.column)
    table = connection.ops.quote_name(items._meta.db_table)
    return f"""
WITH batch AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS batch(batch integer, visitor uuid, is_browser boolean,
        source smallint, keeps boolean, skew integer, received_at timestamptz, received bigint)
), sent AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS sent(batch integer, place integer, raw text, code text, id uuid,
        twin uuid, item {item_type}, kind smallint, at timestamptz, quantity integer, value_cents bigint,
        impression jsonb, doubt smallint)
), owner AS MATERIALIZED (  -- locked, so that nobody joins or erases the visitor before the commit
    SELECT id, key, user_id, consent, forgotten_until FROM {Visitor._meta.db_table}
    WHERE key IN (SELECT visitor FROM batch) ORDER BY id FOR KEY SHARE
), sender AS MATERIALIZED (
    SELECT batch.*, owner.id AS visitor_id, forgotten_until, CASE
        WHEN visitor IS NULL THEN NULL
        WHEN owner.id IS NULL THEN 'unknown_visitor'
        WHEN user_id IS NOT NULL AND consent < {Visitor.Consent.FULL.value} THEN 'no_consent' END AS gone
    FROM batch LEFT JOIN owner ON key = visitor AND (user_id IS NULL OR NOT is_browser)
), judged AS MATERIALIZED (
    SELECT sent.*, visitor_id, source, keeps, skew, received_at, coalesce(gone, code, CASE
        WHEN at <= forgotten_until THEN 'erased'
        WHEN NOT EXISTS (SELECT FROM {table} AS own WHERE own.{key} = sent.item) THEN 'unknown_item' END) AS problem
    FROM sent JOIN sender USING (batch)
), stored AS (  -- sorted by id: two that insert the same ids in different orders would dead-lock
    INSERT INTO {Event._meta.db_table} (id, visitor_id, item_id, kind, at, quantity, value_cents, source, impression,
        clock_skew_seconds, received_at, doubt)
    SELECT id, visitor_id, item, kind, at, quantity, value_cents, source, impression, skew, received_at,
        coalesce(doubt, 0)
    FROM judged WHERE problem IS NULL
        AND NOT EXISTS (SELECT FROM {partitions.UNDATED} AS other WHERE other.id = twin)
    ORDER BY id ON CONFLICT DO NOTHING RETURNING id
), decided AS MATERIALIZED (
    SELECT judged.*, CASE
        WHEN problem IS NULL THEN CASE WHEN stored.id IS NOT NULL
            AND row_number() OVER (PARTITION BY judged.id, problem ORDER BY batch, place) = 1
            THEN 'stored' ELSE 'duplicate' END
        WHEN problem IN ({gone}) THEN 'gone'
        WHEN keeps AND problem NOT IN ({quoted}) THEN 'quarantined'
        ELSE 'refused' END AS status
    FROM judged LEFT JOIN stored ON stored.id = judged.id
), kept AS (
    INSERT INTO {QuarantinedEvent._meta.db_table} (received_at, source, visitor_id, code, payload, is_cut,
        clock_skew_seconds)
    SELECT received_at, source, visitor_id, problem, left(raw, {PAYLOAD_CHARACTERS}),
        length(raw) > {PAYLOAD_CHARACTERS}, skew
    FROM decided WHERE status = 'quarantined'
), counted AS (
    SELECT batch, count(*) FILTER (WHERE status = 'stored') AS stored,
        count(*) FILTER (WHERE status = 'duplicate') AS duplicate,
        count(*) FILTER (WHERE status = 'quarantined') AS quarantined,
        count(*) FILTER (WHERE status = 'refused') AS refused
    FROM decided GROUP BY batch
), booked AS (
    INSERT INTO {LedgerEntry._meta.db_table} (day, source, received, stored, duplicate, quarantined, refused)
    SELECT (received_at AT TIME ZONE 'UTC')::date, source, sum(received), sum(stored), sum(duplicate),
        sum(quarantined), sum(refused)
    FROM sender JOIN counted USING (batch) WHERE gone IS NULL GROUP BY 1, 2
)
SELECT batch, place, status, problem FROM decided
"""  # noqa: S608  names of our own and of the shop's model
