"""The statement that decides about every row of any number of batches, and what it takes: three JSON documents."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import CharField, IntegerField, UUIDField

from recommender.capture import partitions
from recommender.capture.batch import GONE, REFUSED, Batch
from recommender.capture.rate_limit import LIMITED
from recommender.capture.tables import CLICK
from recommender.catalog import key_field
from recommender.models import Event, LedgerEntry, QuarantinedEvent, Visitor

PAYLOAD_CHARACTERS: Final = 2_000  # of a row in quarantine; with its token an ordinary event has 700


class _BatchRow(msgspec.Struct):
    batch: int
    visitor: UUID | None
    is_browser: bool
    source: int
    keeps: bool
    skew: int | None
    received_at: datetime
    received: int


class _ChargeRow(msgspec.Struct):
    batch: int
    key: UUID
    cost: float
    is_visitor: bool


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


def encode(rows: Iterable[msgspec.Struct]) -> str:
    return msgspec.json.encode(list(rows)).decode()


def batch_rows(batches: Sequence[Batch]) -> Iterable[_BatchRow]:
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


def charge_rows(batches: Sequence[Batch]) -> Iterable[_ChargeRow]:
    for number, batch in enumerate(batches):
        if batch.charge is not None:
            for key, cost in batch.charge.costs.items():
                yield _ChargeRow(number, key, cost, key == batch.charge.visitor)


def event_rows(batches: Sequence[Batch]) -> Iterable[_EventRow]:
    field = key_field()
    is_plain = isinstance(field, IntegerField | CharField | UUIDField)  # JSON holds such keys as they are
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
                draft.item if is_plain else field.get_db_prep_value(draft.item, connection),
                draft.kind,
                draft.at,
                draft.quantity,
                draft.value_cents,
                impression,
                batch.doubt or (Event.Doubt.NO_TOKEN.value if is_forgeable and impression is None else 0),
            )
        for place, rejected in enumerate(batch.rejected, start=len(batch.drafts)):
            yield _EventRow(number, place, _text(rejected.raw), rejected.code, doubt=batch.doubt)


def _text(raw: bytes) -> str:
    """A payload as Postgres can store it; one character more than is kept shows that it was cut."""
    return raw[: PAYLOAD_CHARACTERS + 1].decode(errors="backslashreplace").replace("\0", "\\0")


@lru_cache(maxsize=4)
def item_type(key: Any) -> str:
    """The type in Postgres of what points to this key field."""
    return str(key.rel_db_type(connection))


@lru_cache(maxsize=4)
def statement(items: Any, item_type: str) -> bytes:
    quoted = ", ".join(f"'{code}'" for code in REFUSED)
    gone = ", ".join(f"'{code}'" for code in GONE)
    key = connection.ops.quote_name(items._meta.pk.column)
    table = connection.ops.quote_name(items._meta.db_table)
    return f"""
WITH batch AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::json) AS batch(batch integer, visitor uuid, is_browser boolean,
        source smallint, keeps boolean, skew integer, received_at timestamptz, received bigint)
), sent AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS sent(batch integer, place integer, raw text, code text, id uuid,
        twin uuid, item {item_type}, kind smallint, at timestamptz, quantity integer, value_cents bigint,
        impression jsonb, doubt smallint)
), charge AS MATERIALIZED (
    SELECT * FROM json_to_recordset($3::json) AS charge(batch integer, key uuid, cost float8, is_visitor boolean)
), {LIMITED}, owner AS MATERIALIZED (  -- locked, so that nobody joins or erases the visitor before the commit
    SELECT id, key, user_id, consent, forgotten_until FROM {Visitor._meta.db_table}
    WHERE key IN (SELECT visitor FROM batch) ORDER BY id FOR KEY SHARE
), sender AS MATERIALIZED (
    SELECT batch.*, owner.id AS visitor_id, forgotten_until, wait_seconds, is_inhuman, CASE
        WHEN wait_seconds IS NOT NULL THEN 'too_fast'
        WHEN visitor IS NULL THEN NULL
        WHEN owner.id IS NULL THEN 'unknown_visitor'
        WHEN user_id IS NOT NULL AND consent < {Visitor.Consent.FULL.value} THEN 'no_consent' END AS gone
    FROM batch LEFT JOIN owner ON key = visitor AND (user_id IS NULL OR NOT is_browser)
    LEFT JOIN limited USING (batch)
), judged AS MATERIALIZED (
    SELECT sent.*, visitor_id, source, keeps, skew, received_at,
        CASE WHEN is_inhuman AND coalesce(doubt, 0) IN (0, {Event.Doubt.NO_TOKEN.value}) THEN {Event.Doubt.RATE.value}
            ELSE coalesce(doubt, 0) END AS suspected, coalesce(gone, code, CASE
        WHEN at <= forgotten_until THEN 'erased'
        WHEN NOT EXISTS (SELECT FROM {table} AS own WHERE own.{key} = sent.item) THEN 'unknown_item' END) AS problem
    FROM sent JOIN sender USING (batch)
), stored AS (  -- sorted by id: two that insert the same ids in different orders would dead-lock
    INSERT INTO {Event._meta.db_table} (id, visitor_id, item_id, kind, at, quantity, value_cents, source, impression,
        clock_skew_seconds, received_at, doubt)
    SELECT id, visitor_id, item, kind, at, quantity, value_cents, source, impression, skew, received_at,
        suspected
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
        clock_skew_seconds, doubt)
    SELECT received_at, source, visitor_id, problem, left(raw, {PAYLOAD_CHARACTERS}),
        length(raw) > {PAYLOAD_CHARACTERS}, skew, suspected
    FROM decided WHERE status = 'quarantined'
), counted AS (
    SELECT batch, count(*) FILTER (WHERE status = 'stored') AS stored,
        count(*) FILTER (WHERE status = 'duplicate') AS duplicate,
        count(*) FILTER (WHERE status = 'quarantined') AS quarantined,
        count(*) FILTER (WHERE status = 'refused') AS refused,
        json_agg(json_build_array(place, status, problem)) FILTER (WHERE status IN ('quarantined', 'refused'))
            AS rejected
    FROM decided GROUP BY batch
), booked AS (
    INSERT INTO {LedgerEntry._meta.db_table} (day, source, received, stored, duplicate, quarantined, refused)
    SELECT (received_at AT TIME ZONE 'UTC')::date, source, sum(received), sum(stored), sum(duplicate),
        sum(quarantined), sum(refused)
    FROM sender JOIN counted USING (batch) WHERE gone IS NULL GROUP BY 1, 2
)
SELECT batch, gone, wait_seconds, coalesce(is_inhuman, false), coalesce(stored, 0), coalesce(duplicate, 0), rejected
FROM sender LEFT JOIN counted USING (batch)
""".encode()  # noqa: S608  names of our own and of the shop's model
