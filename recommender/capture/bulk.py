"""The bulk path: a history of any size and age → Event rows, by binary COPY.

Made for imports: a shop's past orders, another system's log. Loading the same rows again stores nothing twice, so a
load that was cut off is continued by starting it again. Events of today come through `record.py`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection, transaction
from django.utils import timezone
from numpy.typing import NDArray
from psycopg import sql

from recommender.capture import binary_copy
from recommender.capture.event_ids import event_ids, months_of
from recommender.capture.items import existing_keys, key_or_none
from recommender.capture.partitions import ensure_months
from recommender.capture.straight_copy import UNKNOWN_VALUE, copy_straight
from recommender.capture.tables import KINDS
from recommender.catalog import key_field
from recommender.models import Event, LedgerEntry, Visitor

__all__ = ["EventColumns", "LoadResult", "event_ids", "load_events"]

ROWS_PER_CHUNK: Final = 100_000  # a transaction each
MAX_QUANTITY: Final = 2**31 - 1  # what the column holds
MAX_SECONDS: Final = 2**33  # the year 2242; a number above is in milliseconds by mistake

# Of events, by their visitor: not from before an erasure, not of an account that wants no memory.
_WELCOME: Final = (
    "(visitor.forgotten_until IS NULL OR load_event.at > visitor.forgotten_until)"
    " AND (visitor.user_id IS NULL OR visitor.consent IS NULL OR visitor.consent = 2)"
)

Column = NDArray[Any] | Sequence[Any]
Progress = Callable[[int], None]  # rows done since the last call

STAGED: Final = {
    "id": binary_copy.UUID,
    "visitor": binary_copy.INT8,
    "item": binary_copy.INT4,
    "kind": binary_copy.INT2,
    "at": binary_copy.INT8,
    "quantity": binary_copy.INT4,
    "value_cents": binary_copy.INT8,
}


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events to load, one row each, in any order.

    Attributes:
        id: [events] 16-byte UUIDs (`V16`) as `event_ids` makes them.
        visitor: [events] `Visitor.pk`, as `accounts.account_visitors` gives them.
        item: [events] the shop's keys, in any form that `catalog.item_key` takes.
        kind: [events] one of `tables.KINDS`.
        at: [events] seconds since 1970 UTC.
        quantity: [events] pieces, 1 or more; None: one each.
        value_cents: [events] money of the whole row, NaN or None where unknown; None: unknown.
    """

    id: NDArray[np.void]
    visitor: Column
    item: NDArray[Any] | Sequence[Hashable]
    kind: Column
    at: Column
    quantity: Column | None = None
    value_cents: Column | None = None

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """received = stored + duplicates + refused; refused: no such item or visitor (any more), erased, no consent."""

    received: int
    stored: int
    duplicates: int
    refused: int


def load_events(columns: EventColumns, progress: Progress | None = None) -> LoadResult:
    """Store what is not stored yet, chunk by chunk, each in a transaction of its own.

    Raises:
        ValueError: a column is too short, or holds a value that no event can have; nothing was stored.
    """
    _check(columns)
    ensure_months(months_of(columns.id))
    keys, places = _existing_items(columns.item)
    staged = {**_staged(columns), "item": places}
    stored = refused = 0
    for start in range(0, len(columns), ROWS_PER_CHUNK):
        chunk = {name: values[start : start + ROWS_PER_CHUNK] for name, values in staged.items()}
        counts = _load_chunk(chunk, keys)
        stored += counts[0]
        refused += counts[1]
        if progress:
            progress(len(chunk["id"]))
    return LoadResult(len(columns), stored, len(columns) - stored - refused, refused)


def _check(columns: EventColumns) -> None:
    limits = {"kind": (min(KINDS), max(KINDS)), "at": (0, MAX_SECONDS), "quantity": (1, MAX_QUANTITY)}
    for name in ("visitor", "item", "kind", "at", "quantity", "value_cents"):
        values = getattr(columns, name)
        if values is not None and len(values) != len(columns):
            raise ValueError(f"Column {name!r} has {len(values)} rows, the ids are {len(columns)}.")
        if values is None or name not in limits:
            continue
        low, high = limits[name]
        numbers = np.asarray(values)
        wrong = np.flatnonzero(~((numbers >= low) & (numbers <= high)))  # NaN is wrong too
        if len(wrong):
            raise ValueError(f"Row {wrong[0]}: {name} is {numbers[wrong[0]]}, must be {low} to {high}.")


def _staged(columns: EventColumns) -> dict[str, NDArray[Any]]:
    """The columns as Postgres takes them, without the item."""
    seconds = np.asarray(columns.at, dtype=np.int64) - binary_copy.POSTGRES_EPOCH_SECONDS
    quantity = columns.quantity if columns.quantity is not None else np.ones(len(columns), dtype=np.int32)
    return {
        "id": np.asarray(columns.id),
        "visitor": np.asarray(columns.visitor),
        "kind": np.asarray(columns.kind),
        "at": seconds * binary_copy.MICROSECONDS,
        "quantity": np.asarray(quantity),
        "value_cents": _cents(columns),
    }


def _cents(columns: EventColumns) -> NDArray[np.int64]:
    if columns.value_cents is None:
        return np.full(len(columns), UNKNOWN_VALUE)
    values = np.asarray(columns.value_cents)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    known = np.isfinite(values.astype(np.float64))
    return np.where(known, np.where(known, values, 0).astype(np.int64), UNKNOWN_VALUE)


def _existing_items(column: NDArray[Any] | Sequence[Hashable]) -> tuple[list[Any], NDArray[np.int32]]:
    """The shop's keys as the database takes them, and [events] a row's place among them; -1: there is no such item."""
    place: NDArray[np.int32]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        unique, inverse = np.unique(column, return_inverse=True)
        keys, place = [key_or_none(key) for key in unique.tolist()], inverse.astype(np.int32)
    else:
        keys, place = _places(column.tolist() if isinstance(column, np.ndarray) else column)
    existing = existing_keys([key for key in keys if key is not None])
    known = np.array([key in existing for key in keys], dtype=bool)
    prepare = key_field().get_db_prep_value
    prepared = [prepare(key, connection) if key in existing else None for key in keys]
    return prepared, np.where(known[place], place, np.int32(-1)) if keys else place


def _places(raw: Sequence[Hashable]) -> tuple[list[Any], NDArray[np.int32]]:
    """The different keys, and [events] a row's place among them."""
    first_seen: dict[Hashable, int] = {}
    place = np.fromiter((first_seen.setdefault(key, len(first_seen)) for key in raw), np.int32, len(raw))
    return [key_or_none(key) for key in first_seen], place


def _load_chunk(chunk: dict[str, NDArray[Any]], keys: list[Any]) -> tuple[int, int]:
    """(stored, refused) rows, in a transaction with their entry in the ledger."""
    with transaction.atomic():
        stored, refused = copy_straight(chunk, keys, _WELCOME) or _stage_chunk(chunk, keys)
        _book(len(chunk["id"]), stored, refused)
    return stored, refused


def _stage_chunk(chunk: dict[str, NDArray[Any]], keys: list[Any]) -> tuple[int, int]:
    """COPY into a temporary table and insert from there what is new; (stored, refused) rows."""
    with connection.cursor() as cursor:
        _stage_items(cursor, chunk["item"], keys)
        cursor.execute(
            "CREATE TEMPORARY TABLE load_event (id uuid, visitor bigint, item integer, kind smallint,"
            " at timestamptz, quantity integer, value_cents bigint) ON COMMIT DROP"
        )
        names = sql.SQL(", ").join(map(sql.Identifier, STAGED))
        with cursor.copy(sql.SQL("COPY load_event ({}) FROM STDIN (FORMAT binary)").format(names)) as copy:
            copy.write(binary_copy.pack(STAGED, chunk))
        cursor.execute(
            f"SELECT count(*) FROM load_event WHERE item < 0"  # noqa: S608  names of our own
            f" OR NOT EXISTS (SELECT FROM {Visitor._meta.db_table} AS visitor"
            f" WHERE visitor.id = load_event.visitor AND {_WELCOME})"
        )
        refused: int = cursor.fetchone()[0]
        cursor.execute(_insert())
        stored: int = cursor.rowcount
        cursor.execute("DROP TABLE load_event, load_item")  # the caller's transaction may go on to the next chunk
    return stored, refused


def _book(received: int, stored: int, refused: int) -> None:
    """The chunk's entry in the ledger, in its transaction."""
    LedgerEntry.objects.create(
        day=timezone.now().date(),
        source=Event.Source.BULK,
        received=received,
        stored=stored,
        duplicate=received - stored - refused,
        quarantined=0,
        refused=refused,
    )


def _stage_items(cursor: Any, places: NDArray[np.int32], keys: list[Any]) -> None:
    """Temporary table load_item: place → the shop's key, for the places of one chunk."""
    column_type = key_field().rel_db_type(connection)
    used = [place for place in np.unique(places).tolist() if place >= 0]
    cursor.execute(f"CREATE TEMPORARY TABLE load_item (place integer PRIMARY KEY, key {column_type}) ON COMMIT DROP")
    cursor.execute(
        f"INSERT INTO load_item SELECT * FROM unnest(%s::integer[], %s::{column_type}[])",  # noqa: S608  own names
        [used, [keys[place] for place in used]],
    )


def _insert() -> str:
    # Sorted by id: two loads that insert the same ids in different orders would deadlock.
    return (
        f"INSERT INTO {Event._meta.db_table}"  # noqa: S608  names of our own
        " (id, visitor_id, item_id, kind, at, quantity, value_cents, source)"
        " SELECT load_event.id, visitor.id, load_item.key, kind, at, quantity,"
        f" NULLIF(value_cents, {UNKNOWN_VALUE}), {Event.Source.BULK.value}"
        f" FROM load_event JOIN load_item ON place = item JOIN {Visitor._meta.db_table} AS visitor"
        f" ON visitor.id = load_event.visitor AND {_WELCOME} ORDER BY load_event.id ON CONFLICT DO NOTHING"
    )
