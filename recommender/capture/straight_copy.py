"""The fast half of the bulk path: rows that nobody stored before go straight into the event table.

One that is there already makes Postgres refuse all of them; then the caller stages them and sorts the old ones out.
"""

from typing import Any, Final

import numpy as np
from django.db import IntegrityError, connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from recommender.capture import binary_copy
from recommender.catalog import key_field
from recommender.models import Event, Visitor

UNKNOWN_VALUE: Final = -(2**63)  # stands for null: rows of a binary COPY of fixed width have none
KEY_TYPES: Final = {"integer": binary_copy.INT4, "bigint": binary_copy.INT8}  # of the shop's items


def copy_straight(chunk: dict[str, NDArray[Any]], keys: list[Any], welcome: str) -> tuple[int, int] | None:
    """(stored, refused) rows; None where this way is not for these rows, and nothing was stored.

    Args:
        chunk: columns as `bulk` stages them; `item` is a place in `keys`, or -1.
        keys: the shop's keys.
        welcome: SQL over `visitor` and `load_event.at`, which of a visitor's events may be stored.
    """
    key_type = KEY_TYPES.get(str(key_field().rel_db_type(connection)))
    is_priced = chunk["value_cents"] != UNKNOWN_VALUE
    if key_type is None or not len(keys) or is_priced.any() != is_priced.all():
        return None
    with transaction.atomic():
        rows = _welcome(chunk, welcome)
        if rows is None:
            return None
        refused = len(chunk["id"]) - len(rows["id"])
        if len(rows["id"]):
            try:
                with transaction.atomic():
                    _copy(rows, keys, key_type, bool(is_priced.all()))
            except IntegrityError:
                return None
    return len(rows["id"]), refused


def _welcome(chunk: dict[str, NDArray[Any]], welcome: str) -> dict[str, NDArray[Any]] | None:
    """The rows whose item exists and whose visitor takes events, sorted by id; the visitors stay until the commit.

    None where it depends on the event's time: somebody was erased, and came again.
    """
    places = np.unique(chunk["visitor"])
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, forgotten_until FROM {Visitor._meta.db_table} AS visitor"  # noqa: S608  names of our own
            " CROSS JOIN (SELECT 'infinity'::timestamptz AS at) AS load_event"
            f" WHERE id = ANY(%s) AND {welcome} ORDER BY id FOR KEY SHARE OF visitor",
            [places.tolist()],
        )
        found = cursor.fetchall()
    if any(forgotten_until for _, forgotten_until in found):
        return None
    visitors = np.array([key for key, _ in found], dtype=np.int64)
    good = (chunk["item"] >= 0) & np.isin(chunk["visitor"], visitors)
    rows = {name: values[good] for name, values in chunk.items()}
    halves = rows["id"].copy().view(">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # two loads of the same rows must not dead-lock
    return {name: values[order] for name, values in rows.items()}


def _copy(rows: dict[str, NDArray[Any]], keys: list[Any], key_type: str, is_priced: bool) -> None:
    item = np.array([-1 if key is None else key for key in keys], dtype=key_type)[rows["item"]]
    source = np.full(len(item), Event.Source.BULK.value, dtype=np.int16)
    fields = {
        "id": binary_copy.UUID,
        "visitor_id": binary_copy.INT8,
        "item_id": key_type,
        "kind": binary_copy.INT2,
        "at": binary_copy.INT8,
        "quantity": binary_copy.INT4,
        "source": binary_copy.INT2,
    }
    if is_priced:
        fields["value_cents"] = binary_copy.INT8
    columns = {**rows, "visitor_id": rows["visitor"], "item_id": item, "source": source}
    names = sql.SQL(", ").join(map(sql.Identifier, fields))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(Event._meta.db_table), names)
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.write(binary_copy.pack(fields, columns))
