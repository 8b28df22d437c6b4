"""Any history from CSV: interactions (user, item, timestamp or pos, kind) and items (item, title, attributes)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.csv_table import UnusableFile, read_table, say
from benchmarks.csv_times import seconds, time_column
from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW

OTHER_NAMES: Final = {
    "user": ("user", "user_id", "userid", "visitor", "visitor_id", "visitorid", "customer_id", "customer"),
    "item": ("item", "item_id", "itemid", "product_id", "product", "productid", "movie_id", "asin"),
    "timestamp": ("timestamp", "time", "datetime", "date", "at", "event_time", "unixreviewtime"),
    "pos": ("pos", "position", "order", "step"),
    "kind": ("kind", "event", "event_type", "type", "behavior", "action"),
    "title": ("title", "name", "product_name", "item_name"),
}
KIND_WORDS: Final = (  # whole words; the first kind that has one decides
    (PURCHASE, r"purchase[ds]?|buys?|bought|(?:re)?order(?:s|ed)?|transactions?"),
    (CART, r"(?:addto)?(?:carts?|baskets?)|add(?:s|ed)?|fav\w*"),
    (CLICK, r"click(?:s|ed|out)?"),
)
TAKEN_BACK: Final = r"cancel\w*|refund\w*|return\w*|chargebacks?"  # no act towards an item, whatever else it says
SEPARATORS: Final = ("|", ";", ",")


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
    table = read_table(path)
    columns = {name: _column(table, name, path) for name in ("user", "item")}
    times = [table[name].str.strip() for name in _find_all(table, "timestamp")]
    if not times and _find(table, "pos") is None:
        raise UnusableFile(f"{path} needs a column timestamp (or pos, the order of a user's events); {_found(table)}")
    pos = _numbers(table, "pos", path) if _find(table, "pos") is not None else pd.Series(0.0, index=table.index)
    at = seconds(time_column(times, path), path) if times else pos
    kind = _find(table, "kind")
    frame = pd.DataFrame(columns | {"at": at, "pos": pos, "kind": PURCHASE if kind is None else kinds(table[kind])})
    known = frame.dropna(subset=["user", "item", "at", "kind"])  # beside a time, a position only orders what is tied
    known = known[(known["user"] != "") & (known["item"] != "")].drop_duplicates(["user", "item", "at", "kind"])
    if not len(known):
        raise UnusableFile(f"{path} has no row with user, item and time; fill these columns.")
    if len(known) < len(frame):
        say(f"{path.name}: {len(frame) - len(known)} of {len(frame)} rows are incomplete or doubles, left out")
    known = known.sort_values(["at", "pos"], kind="stable")
    return Interactions(
        keys(known["user"]),
        keys(known["item"]),
        known["at"].to_numpy(np.int64),
        known["kind"].to_numpy(np.int8),
        bool(times),
    )


def read_items(path: Path) -> Items:
    """The catalogue of a CSV file; of doubles the first row counts.

    A column whose cells hold several values (`a|b`, `a;b`, `a, b`, `3 17 21`) becomes lists. A column with another
    value in nearly every row is text where it has words, and left out where it has none: it is a key of its own.
    """
    table = read_table(path)
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


def kinds(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Kind numbers of names such as view, addtocart, transaction; NaN where something is taken back.

    What is none of them is a view; these and what is taken back are said on stderr.
    """
    names = column.str.strip()
    known = {name: _kind(name) for name in names.unique()}
    back = [name for name, kind in known.items() if kind is None]
    if back:
        say(f"kinds that take something back, {names.isin(back).sum()} rows left out: {', '.join(sorted(back)[:10])}")
    other = [name for name, kind in known.items() if kind == VIEW and "view" not in name.lower() and name != "pv"]
    if other:
        say(f"kinds taken as views: {', '.join(sorted(other)[:10])}")
    return names.map(known).astype("float64")


def _kind(name: str) -> int | None:
    words = re.sub(r"[\W\d_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).lower()  # addToCart: three words
    if re.search(rf"\b(?:{TAKEN_BACK})\b", words):
        return None
    if "remove" in words:
        return VIEW
    return next((kind for kind, found in KIND_WORDS if re.search(rf"\b(?:{found})\b", words)), VIEW)


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


def _find(table: pd.DataFrame, name: str) -> str | None:
    return next(iter(_find_all(table, name)), None)


def _find_all(table: pd.DataFrame, name: str) -> list[str]:
    by_lower = {str(column).strip().lower(): str(column) for column in table.columns}
    return [by_lower[other] for other in OTHER_NAMES[name] if other in by_lower]


def _column(table: pd.DataFrame, name: str, path: Path) -> "pd.Series[Any]":
    found = _find(table, name)
    if found is None:
        raise UnusableFile(f"{path} needs a column {name}; {_found(table)}")
    return table[found].str.strip()


def _numbers(table: pd.DataFrame, name: str, path: Path) -> "pd.Series[Any]":
    return pd.to_numeric(_column(table, name, path), errors="coerce")


def _found(table: pd.DataFrame) -> str:
    return f"it has {', '.join(map(str, table.columns))}. Rename one."
