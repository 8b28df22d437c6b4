"""Postgres' binary COPY format for rows of fixed width, as one numpy array: no Python object a row.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"; all numbers are big-endian.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

UUID: Final = "V16"
INT2: Final = ">i2"
INT4: Final = ">i4"
INT8: Final = ">i8"
REAL: Final = ">f4"

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
HEADER: Final = SIGNATURE + bytes(8)  # no flags, no extension
TRAILER: Final = b"\xff\xff"

POSTGRES_EPOCH_SECONDS: Final = 946_684_800  # 2000-01-01 UTC, where Postgres' clock starts, in seconds since 1970
MICROSECONDS: Final = 1_000_000


def pack(fields: Mapping[str, str], columns: Mapping[str, Any]) -> bytes:
    """Columns of equal length → the stream for `COPY … FROM STDIN (FORMAT binary)`.

    Args:
        fields: column name → one of the types above, in the order of the COPY statement.
        columns: column name → [rows] values; no value may be null.
    """
    rows = np.zeros(len(columns[next(iter(fields))]), dtype=_row(fields))
    rows["columns"] = len(fields)
    for name in fields:
        rows[f"{name} length"] = rows.dtype[name].itemsize
        rows[name] = columns[name]
    return HEADER + rows.tobytes() + TRAILER


def unpack(fields: Mapping[str, str], stream: bytes | bytearray) -> NDArray[np.void]:
    """The stream of `COPY … TO STDOUT (FORMAT binary)` → [rows] structured array with the fields by name.

    Raises:
        ValueError: the stream does not hold such rows: another type, another order, or a null.
    """
    row = _row(fields)
    body = memoryview(stream)[len(HEADER) : -len(TRAILER)]
    if not stream.startswith(SIGNATURE) or len(body) % row.itemsize:
        raise ValueError("This is not a binary COPY of rows with these fields.")
    rows = np.frombuffer(body, dtype=row)
    for name in fields:
        if len(rows) and not np.all(rows[f"{name} length"] == row[name].itemsize):
            raise ValueError(f"Column {name!r} of a binary COPY has nulls or another type.")
    return rows


def _row(fields: Mapping[str, str]) -> "np.dtype[np.void]":
    """Every field of a row comes with its length in bytes before it, and the row with its number of fields."""
    parts = [("columns", INT2)]
    for name, kind in fields.items():
        parts += [(f"{name} length", INT4), (name, kind)]
    return np.dtype(parts)
