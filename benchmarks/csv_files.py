"""Any history from CSV: interactions (user, item, timestamp or pos, kind) and items (item, title, attributes)."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW

OTHER_NAMES: Final = {
    "user": ("user", "user_id", "userid", "visitor", "visitor_id", "visitorid", "customer_id", "customer"),
    "item": ("item", "item_id", "itemid", "product_id", "product", "productid", "movie_id", "asin"),
    "timestamp": ("timestamp", "time", "datetime", "date", "at", "event_time", "unixreviewtime"),
    "pos": ("pos", "position", "order", "step"),
    "kind": ("kind", "event", "event_type", "type", "behavior", "action"),
    "title": ("title", "name", "product_name", "item_name"),
}
KIND_WORDS: Final = {
    "purchase": PURCHASE,
    "buy": PURCHASE,
    "order": PURCHASE,
    "transaction": PURCHASE,
    "cart": CART,
    "add": CART,
    "basket": CART,
    "fav": CART,
    "click": CLICK,
}
EPOCH_UNITS: Final = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (np.inf, 1_000_000_000))  # below: parts a second
SEPARATORS: Final = ("|", ";", ",")


class UnusableFile(Exception):
    """A CSV file that cannot be read as events or items; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """Events in time order; `at` holds seconds since 1970, or positions where `has_time` is False."""

    user: NDArray[np.generic]
    item: NDArray[np.generic]
    at: NDArray[np.int64]
    kind: NDArray[np.int8]
    has_time: bool


@dataclass(frozen=True, slots=True)
class Items:
    """item [items] unique keys, title and text [items], attributes: name → [items] lists of values."""

    item: NDArray[np.generic]
    title: list[str]
    text: list[str]
    attributes: dict[str, list[list[str]]]


def read_interactions(path: Path) -> Interactions:
    """Events of a CSV file; rows without user, item or time, and exact doubles, are left out and counted on stderr.

    Raises:
        UnusableFile: a column is missing, the times cannot be read, or no row is left.
    """
    table = _read(path)
    columns = {name: _column(table, name, path) for name in ("user", "item")}
    time_name = _find(table, "timestamp")
    if time_name is None and _find(table, "pos") is None:
        raise UnusableFile(f"{path} needs a column timestamp (or pos, the order of a user's events); {_found(table)}")
    pos = _numbers(table, "pos", path) if _find(table, "pos") is not None else pd.Series(0.0, index=table.index)
    at = pos if time_name is None else seconds(table[time_name], path)
    kind = _find(table, "kind")
    frame = pd.DataFrame(columns | {"at": at, "pos": pos, "kind": PURCHASE if kind is None else kinds(table[kind])})
    known = frame.dropna()
    known = known[(known["user"] != "") & (known["item"] != "")].drop_duplicates(["user", "item", "at", "kind"])
    if not len(known):
        raise UnusableFile(f"{path} has no row with user, item and time; fill these columns.")
    if len(known) < len(frame):
        _say(f"{path.name}: {len(frame) - len(known)} of {len(frame)} rows are incomplete or doubles, left out")
    known = known.sort_values(["at", "pos"], kind="stable")
    return Interactions(
        keys(known["user"]),
        keys(known["item"]),
        known["at"].to_numpy(np.int64),
        known["kind"].to_numpy(np.int8),
        time_name is not None,
    )


def read_items(path: Path) -> Items:
    """The catalogue of a CSV file; of doubles the first row counts.

    A column whose cells hold several values (`a|b`, `a;b`, `a, b`, `3 17 21`) becomes lists. A column with another
    value in nearly every row is text where it has words, and left out where it has none: it is a key of its own.
    """
    table = _read(path)
    key = _column(table, "item", path)
    table = table[(key != "") & ~key.duplicated()].reset_index(drop=True)
    key = _column(table, "item", path)
    title_name = _find(table, "title")
    title = [""] * len(table) if title_name is None else table[title_name].tolist()
    texts, attributes = [title], {}
    for name in table.columns:
        if name in (_find(table, "item"), title_name):
            continue
        values = cell_values(table[name].tolist())
        if not _is_nearly_unique(values):
            attributes[str(name)] = values
        elif _words(table[name].tolist()) >= 2:
            texts.append(table[name].tolist())
    text = ["\n".join(filter(None, parts)) for parts in zip(*texts, strict=True)]
    return Items(keys(key), title, text, attributes)


def keys(column: "pd.Series[Any]") -> NDArray[np.generic]:
    """int64 where every key is written as a plain integer, else str."""
    text = column.astype(str)
    whole = text.str.replace(r"\.0$", "", regex=True)
    if bool(whole.str.fullmatch(r"-?(0|[1-9]\d{0,17})").all()):
        return np.asarray(whole.to_numpy(dtype=np.int64))
    return np.asarray(text, dtype=np.str_)


def seconds(column: "pd.Series[Any]", path: Path) -> "pd.Series[Any]":
    """Seconds since 1970 UTC of ISO times, dates as 20181231, or epoch numbers in s, ms, µs or ns; NaN where empty."""
    numbers = pd.to_numeric(column, errors="coerce")
    filled = (column != "").sum()
    if numbers.notna().sum() > 0.5 * filled:
        if bool(numbers.dropna().between(19_000_101, 21_001_231).all()) and bool((column.str.len() <= 8).all()):
            return _epoch(pd.to_datetime(column, format="%Y%m%d", utc=True, errors="coerce"))
        parts = next(parts for limit, parts in EPOCH_UNITS if abs(numbers.median()) < limit)
        return (numbers // parts).astype("float64")
    times = pd.to_datetime(column.where(column != ""), utc=True, errors="coerce", format="mixed")
    if times.notna().sum() < 0.5 * filled or not filled:
        raise UnusableFile(
            f"{path}: timestamp has values such as {column.iloc[0]!r}; write ISO times or epoch seconds."
        )
    return _epoch(times)


def _epoch(times: "pd.Series[Any]") -> "pd.Series[Any]":
    return ((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).astype("float64").floordiv(1)


def kinds(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Kind numbers of words such as view, addtocart, transaction; what is none of them is a view, said on stderr."""
    known = {}
    for word in column.str.strip().str.lower().unique():
        known[word] = next((kind for part, kind in KIND_WORDS.items() if part in word and "remove" not in word), VIEW)
    other = [word for word, kind in known.items() if kind == VIEW and "view" not in word and word != "pv"]
    if other:
        _say(f"kinds taken as views: {', '.join(sorted(other)[:10])}")
    return column.str.strip().str.lower().map(known)


def cell_values(cells: list[str]) -> list[list[str]]:
    """The values of each cell, by the first separator that at least one cell in twenty has."""
    bare = [cell.strip().strip("[]").replace("'", "").replace('"', "") if "[" in cell else cell for cell in cells]
    filled = [cell for cell in bare if cell.strip()]
    split = _splitter(filled)
    return [list(dict.fromkeys(part.strip() for part in split(cell) if part.strip())) for cell in bare]


def _splitter(filled: list[str]) -> Callable[[str], list[str]]:
    for separator in SEPARATORS:
        if sum(separator in cell for cell in filled) > 0.05 * len(filled):
            return lambda cell: cell.split(separator)
    if sum(" " in cell for cell in filled) > 0.05 * len(filled) and all(re.fullmatch(r"[\d ]+", c) for c in filled):
        return str.split  # ids, not words
    return lambda cell: [cell]


def _is_nearly_unique(values: list[list[str]]) -> bool:
    filled = [value for value in values if value]
    return len({part for value in filled for part in value}) > 0.5 * len(filled) and len(filled) > 20


def _words(cells: list[str]) -> float:
    return float(np.mean([len(cell.split()) for cell in cells if cell] or [0]))


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError as error:
        raise UnusableFile(f"{path} does not exist; give the path of a .csv or .csv.gz file.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UnusableFile(f"{path} is no CSV file in UTF-8 with a header line: {error}") from error


def _find(table: pd.DataFrame, name: str) -> str | None:
    by_lower = {str(column).strip().lower(): str(column) for column in table.columns}
    return next((by_lower[other] for other in OTHER_NAMES[name] if other in by_lower), None)


def _column(table: pd.DataFrame, name: str, path: Path) -> "pd.Series[Any]":
    found = _find(table, name)
    if found is None:
        raise UnusableFile(f"{path} needs a column {name}; {_found(table)}")
    return table[found].str.strip()


def _numbers(table: pd.DataFrame, name: str, path: Path) -> "pd.Series[Any]":
    return pd.to_numeric(_column(table, name, path), errors="coerce")


def _found(table: pd.DataFrame) -> str:
    return f"it has {', '.join(map(str, table.columns))}. Rename one."


def _say(text: str) -> None:
    print(text, file=sys.stderr)
