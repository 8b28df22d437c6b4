"""Event rows and the catalogue → plain columns for the stages that know no Django."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from recommender.capture import binary_copy
from recommender.capture.cleaning import item_names, judged_events
from recommender.capture.items import item_id
from recommender.capture.tables import EventLog, ItemId, ItemTable, narrowest
from recommender.catalog import Catalog, all_items, get_catalog, key_field

COPIED: Final = {
    "id": binary_copy.UUID,
    "visitor": binary_copy.INT8,
    "place": binary_copy.INT4,
    "kind": binary_copy.INT2,
    "at": binary_copy.INT8,
    "quantity": binary_copy.REAL,
}
ROWS_PER_FETCH: Final = 5_000


def export_events(until: datetime | None = None) -> EventLog:
    """All events before `until` (None: all) that nothing speaks against and whose item still exists, by time and id.

    What it leaves out is counted by `cleaning.count_left_out`.

    The order is the same on every call, so that a training can be repeated. Keys travel as places in a list of the
    items, which keeps the rows at a fixed width whatever the shop's key type.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        keys = _stage_items(cursor)
        stream = bytearray()
        with cursor.copy(_query(until)) as copy:
            for part in copy:  # joined at the end, all parts would be held twice
                stream += part
        rows = binary_copy.unpack(COPIED, stream)
        cursor.execute("DROP TABLE export_item")
    ids = rows["id"].copy().view(">u8").reshape(-1, 2)
    order = np.lexsort((ids[:, 1], ids[:, 0], rows["at"]))
    del ids
    return EventLog(
        visitor=narrowest(rows["visitor"][order]),
        item=narrowest(keys)[rows["place"][order]],
        kind=rows["kind"][order].astype(np.int8),
        at=narrowest(rows["at"][order] // binary_copy.MICROSECONDS + binary_copy.POSTGRES_EPOCH_SECONDS),
        quantity=rows["quantity"][order].astype(np.float32),
    )


def export_items(keys: Sequence[Any] | None = None) -> ItemTable:
    """The whole catalogue, available or not: what is sold out today is still what people bought together.

    Args:
        keys: the shop's, of the only items that are wanted; those of items that are gone lead to none.
    Raises:
        CatalogNotFound: the shop has no `recommendations.py`.
    """
    catalog = get_catalog()
    names = [catalog.title, *catalog.text, *catalog.attributes, *filter(None, [catalog.price_cents, catalog.added_at])]
    items = _values(names, keys)
    column = key_array(list(items))
    rows = list(items.values())
    order = np.argsort(column, kind="stable")
    columns = [[rows[place][number] for place in order] for number in range(len(names))]
    return _table(catalog, column[order], columns)


def key_array(keys: Sequence[ItemId]) -> NDArray[np.generic]:
    """[items] int64 where all keys are integers (or there are none), else str."""
    return np.array(keys, dtype=np.int64 if all(isinstance(key, int) for key in keys) else np.str_)


def _stage_items(cursor: Any) -> NDArray[np.generic]:
    """Temporary table export_item: key → place; the keys in order of their places."""
    cursor.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE export_item ON COMMIT DROP AS"
            " SELECT {key} AS key, (row_number() OVER () - 1)::integer AS place FROM {table}"
        ).format(**item_names())
    )
    cursor.execute("ANALYZE export_item")
    cursor.execute("SELECT key FROM export_item ORDER BY place")
    to_python = key_field().to_python
    return key_array([item_id(to_python(key)) for (key,) in cursor.fetchall()])


def _query(until: datetime | None) -> sql.Composed:
    events, is_trained = judged_events(until)
    return sql.SQL(
        "COPY (SELECT id, visitor_id, place, kind, at, quantity::real FROM {} JOIN export_item ON key = item_id"
        " WHERE {}) TO STDOUT (FORMAT binary)"
    ).format(events, is_trained)


def _values(names: Sequence[str], keys: Sequence[Any] | None) -> dict[ItemId, list[Any]]:
    """Key → the values of `names`. A lookup over several rows (tags) gives its different values joined by a comma."""
    items: dict[ItemId, list[Any]] = {}
    several: dict[ItemId, list[list[Any]]] = {}  # of an item that comes more than once: each of its rows
    wanted = all_items() if keys is None else all_items().filter(pk__in=keys)
    rows = wanted.order_by("pk").values_list("pk", *names)
    for key, *values in rows.iterator(chunk_size=ROWS_PER_FETCH):
        first = items.setdefault(item_id(key), values)
        if first is not values:
            several.setdefault(item_id(key), [first]).append(values)
    items |= {key: [_joined(column) for column in zip(*found, strict=True)] for key, found in several.items()}
    return items


def _joined(values: Sequence[Any]) -> Any:
    different = {str(value): value for value in values if value is not None}
    return next(iter(different.values()), None) if len(different) < 2 else ", ".join(different)


def _table(catalog: Catalog, keys: NDArray[np.generic], columns: list[list[Any]]) -> ItemTable:
    texts = columns[1 : 1 + len(catalog.text)]
    attributes = columns[1 + len(catalog.text) : 1 + len(catalog.text) + len(catalog.attributes)]
    rest = iter(columns[1 + len(catalog.text) + len(catalog.attributes) :])
    prices = [np.nan if cents is None else cents for cents in next(rest)] if catalog.price_cents else None
    added_at = list(map(_seconds, next(rest))) if catalog.added_at else None
    return ItemTable(
        item=keys,
        title=_as_text(columns[0]),
        text=["\n".join(filter(None, parts)) for parts in zip(*map(_as_text, texts), strict=True)]
        if texts
        else [""] * len(keys),
        attributes=dict(zip(catalog.attributes, map(_as_text, attributes), strict=True)),
        price_cents=None if prices is None else np.array(prices, dtype=np.float32),
        added_at=None if added_at is None else np.array(added_at, dtype=np.float64),
    )


def _seconds(moment: Any) -> float:
    """Since 1970 UTC, of a time or a day; NaN for anything else, of which nobody knows how long ago it was."""
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return moment.timestamp() if isinstance(moment, datetime) else math.nan


def _as_text(values: Sequence[Any]) -> list[str]:
    return ["" if value is None else str(value) for value in values]
