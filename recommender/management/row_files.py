"""Rows into a CSV or Parquet file that is there whole or not at all, and for its owner's eyes only."""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from django.core.management.base import CommandError

Write = Callable[[Sequence[Any]], None]  # of NamedTuples


@contextmanager
def row_file(path: Path, form: str, row: type[Any]) -> Iterator[Write]:
    """A function that appends rows to the file of this `form` ("csv" or "parquet"), which replaces `path` at the end.

    Args:
        row: the NamedTuple class of the rows; its fields are the columns.
    Raises:
        CommandError: the folder cannot be written to, or Parquet's package is not installed.
    """
    open_file = FORMS[form]
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with open_file(partial, row) as write:
            yield write
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _csv(path: Path, row: type[Any]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(row._fields)
        yield writer.writerows


@contextmanager
def _parquet(path: Path, row: type[Any]) -> Iterator[Write]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        hint = 'Parquet needs pyarrow: pip install "django-embedded-recommender[parquet]", or write --format csv.'
        raise CommandError(hint) from error
    types = {str: pa.string(), int: pa.int64()}
    hints = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(row).items()}  # `str | None` → both
    schema = pa.schema([(name, next(types[kind] for kind in kinds if kind in types)) for name, kinds in hints.items()])
    with parquet.ParquetWriter(path, schema) as writer:

        def write(rows: Sequence[Any]) -> None:
            writer.write_table(pa.Table.from_pylist([each._asdict() for each in rows], schema=schema))

        yield write


FORMS: Final = {"csv": _csv, "parquet": _parquet}
