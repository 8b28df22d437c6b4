"""The columns of a CSV file that say when an event happened → seconds since 1970 UTC."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.csv_table import UnusableFile, say

EPOCH_UNITS: Final = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))  # below: parts a second
EARLIEST, LATEST = (pd.Timestamp(f"{year}-01-01", tz="UTC").timestamp() for year in (1900, 2200))
CLOCK: Final = r"(?i)\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]m)?"
YEAR_LAST: Final = r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})(?:,?[ T]+(.*))?$"
NAMED: Final = (
    r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\d ?[ap]m$"  # month, or half of the day
)


def time_column(columns: "Sequence[pd.Series[Any]]", path: Path) -> "pd.Series[Any]":
    """The first of the columns that says the day; where it says no more than that, with the clock beside it.

    Raises:
        UnusableFile: only clock times, which are of no day.
    """
    clocks = [column for column in columns if _is_most(column.str.fullmatch(CLOCK), column)]
    days = [column for column in columns if not any(column is clock for clock in clocks)]
    if not days:
        raise UnusableFile(
            f"{path}: {clocks[0].name} has clock times such as {_example(clocks[0])!r} and no day; "
            "add a column date, or write ISO times such as 2020-12-31T12:26:40."
        )
    if clocks and _is_days_only(days[0]):
        return (days[0] + " " + clocks[0]).str.strip()
    return days[0]


def seconds(column: "pd.Series[Any]", path: Path) -> "pd.Series[Any]":
    """Seconds since 1970 UTC of ISO times, dates as 20181231, or epoch numbers in s, ms, µs or ns; NaN where empty.

    Dates such as 31.12.2018 and 12/31/2018 are read too where a day above 12 shows their order, one for the whole
    column. Times outside of the years 1900 to 2200 stand for none: NaN, and counted on stderr.

    Raises:
        UnusableFile: most values are no times, or day and month cannot be told apart.
    """
    numbers = pd.to_numeric(column, errors="coerce")
    found = _of_numbers(numbers, column) if _is_most(numbers.notna(), column) else _of_text(column, path)
    if found.notna().sum() < 0.5 * (column != "").sum() or not (column != "").any():
        raise UnusableFile(
            f"{path}: timestamp has values such as {_example(column)!r}; write ISO times or epoch seconds."
        )
    is_outside = found.notna() & ~found.between(EARLIEST, LATEST)
    if is_outside.any():
        say(f"{path.name}: {is_outside.sum()} of {len(column)} times are outside of 1900 to 2200, left out")
    return found.where(~is_outside)


def _of_numbers(numbers: "pd.Series[Any]", column: "pd.Series[Any]") -> "pd.Series[Any]":
    if _are_day_numbers(numbers, column):
        return _epoch(pd.to_datetime(column, format="%Y%m%d", utc=True, errors="coerce"))
    parts = next(parts for limit, parts in EPOCH_UNITS if abs(numbers.median()) < limit)
    return (numbers // parts).astype("float64")


def _of_text(column: "pd.Series[Any]", path: Path) -> "pd.Series[Any]":
    """pandas' "mixed" would guess the order of day and month row by row: only what a name makes plain is left to it."""
    text = _year_first(column, path).str.replace(r" ?(?:UTC|GMT)$", "Z", regex=True)
    is_named = text.str.contains(NAMED)
    if _is_most(is_named, column):
        return _epoch(pd.to_datetime(text.where(is_named), utc=True, errors="coerce", format="mixed"))
    return _epoch(pd.to_datetime(text.where(text != ""), utc=True, errors="coerce", format="ISO8601"))


def _year_first(column: "pd.Series[Any]", path: Path) -> "pd.Series[Any]":
    """Dates such as 31.12.2018 as ISO dates, where most are written so."""
    parts = column.str.extract(YEAR_LAST)
    is_year_last = parts[2].notna()
    if not _is_most(is_year_last, column):
        return column
    first, second = (bool((pd.to_numeric(parts[part]) > 12).any()) for part in (0, 1))
    if first == second:
        why = (
            "some with the day first, some with the month" if first else "and none shows whether day or month is first"
        )
        raise UnusableFile(
            f"{path}: timestamp has dates such as {_example(column)!r}, {why}; write ISO dates such as 2020-12-31."
        )
    day, month = (0, 1) if first else (1, 0)
    date = parts[2] + "-" + parts[month].str.zfill(2) + "-" + parts[day].str.zfill(2)
    return (date + " " + parts[3].fillna("")).str.strip().where(is_year_last, column)


def _epoch(times: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whole seconds; nanoseconds, pandas' default for differences, end in the year 2262."""
    return times.dt.as_unit("s").astype("int64").astype("float64").where(times.notna())


def _are_day_numbers(numbers: "pd.Series[Any]", column: "pd.Series[Any]") -> bool:
    return bool(numbers.dropna().between(19_000_101, 21_001_231).all()) and bool((column.str.len() <= 8).all())


def _is_days_only(column: "pd.Series[Any]") -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    if _is_most(numbers.notna(), column):
        return _are_day_numbers(numbers, column)
    return not bool(column.str.contains(":").any())


def _is_most(mask: "pd.Series[Any]", column: "pd.Series[Any]") -> bool:
    """Whether it holds for more than half of the filled cells."""
    return bool(mask.sum() > 0.5 * (column != "").sum())


def _example(column: "pd.Series[Any]") -> str:
    return next((cell for cell in column if cell), "")
