"""A CSV file as text: any of the usual separators, gzip or not, and a refusal that names the fix for all else."""

import csv
import re
import sys
import warnings
import zlib
from pathlib import Path
from typing import Final

import pandas as pd

CELL_SEPARATORS: Final = ",;\t"  # of several that a header has equally often, the first


class UnusableFile(Exception):
    """A CSV file that cannot be read as events or items; the message says what to change."""


def read_table(path: Path) -> pd.DataFrame:
    """Every cell as text, "" where it is empty.

    Raises:
        UnusableFile: no such file, not CSV or not gzip, no row, or a row with more values than the header has names.
    """
    try:
        table = _read(path)
    except FileNotFoundError as error:
        raise UnusableFile(f"{path} does not exist; give the path of a .csv or .csv.gz file.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UnusableFile(f"{path} cannot be read as a .csv or .csv.gz file: {error}. Write it again.") from error
    except pd.errors.ParserWarning as error:
        raise UnusableFile(
            f"{path} has more values in a row than names in its header; name every column, quote values that hold "
            "the separator, and end no row with one."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UnusableFile(f"{path} is no CSV file in UTF-8 with a header line: {error}") from error
    if not len(table):
        raise UnusableFile(f"{path} has a header and no rows; write one row for each event or item.")
    return table.fillna("")  # rows that end early


def say(text: str) -> None:
    print(text, file=sys.stderr)


def _read(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Without index_col=False surplus values make the first column an index and shift all names; with it they are
        # cut off, and only a warning tells.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path, sep=_separator(path), dtype=str, keep_default_na=False, skipinitialspace=True, index_col=False
        )


def _separator(path: Path) -> str:
    """The one that stands most often in the header, outside of quotes."""
    header = pd.read_csv(path, sep="\x01", nrows=0, quoting=csv.QUOTE_NONE).columns[0]
    return max(CELL_SEPARATORS, key=re.sub(r'"[^"]*"', "", header).count)
