"""The data sets of the quality benchmark, as the plugin's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.csv_files import Items, read_interactions, read_items
from benchmarks.csv_table import UnusableFile, say
from recommender.capture.tables import EventLog, ItemTable

DATA_FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
FOLDERS: Final = {"movielens-1m": "ml-1m", "amazon-beauty": "amazon-beauty"}
NAMES: Final = ("complete-journey", *FOLDERS)
TRAIN_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Dataset:
    """One shop's history.

    Attributes:
        log: events in time order; visitors are numbers of no meaning. items: every item that can be recommended.
        values: attribute name → [items] lists of values; `items.attributes` has them joined by ", ".
        has_time: False where the source knows only the order; `log.at` then holds positions.
        cut: seconds where the time split lies; None takes it from the events.
        is_listed: [items] bool, False for what only the events name and nobody can know before; None: all are listed.
    """

    name: str
    log: EventLog
    items: ItemTable
    values: dict[str, list[list[str]]]
    has_time: bool = True
    cut: int | None = None
    is_listed: NDArray[np.bool_] | None = None


def load(name: str, folder: Path = DATA_FOLDER) -> Dataset:
    """A data set by its name in `NAMES`; `folder` holds the ones that no package ships.

    Raises:
        UnusableFile: its files are not in `folder`.
    """
    if name == "complete-journey":
        from benchmarks import complete_journey

        log, items, cut = complete_journey.load(TRAIN_SHARE)
        values = {key: [[value] if value else [] for value in cells] for key, cells in items.attributes.items()}
        return Dataset(name, log, items, values, cut=cut)
    source = folder / FOLDERS[name]
    if not source.is_dir():
        raise UnusableFile(f"{source} does not exist; name the folder that holds {FOLDERS[name]}/ by --data-folder.")
    return from_csv(source / "interactions.csv.gz", source / "items.csv.gz", name)


def sample(data: Dataset, visitors: int) -> Dataset:
    """The first visitors by number, and the items that any of them took."""
    chosen = np.unique(data.log.visitor)[:visitors]
    inside = np.isin(data.log.visitor, chosen)
    columns = ("visitor", "item", "kind", "at", "quantity")
    log = replace(data.log, **{name: getattr(data.log, name)[inside] for name in columns})
    kept = np.flatnonzero(np.isin(data.items.item, np.unique(log.item)))
    title, text = ([cells[row] for row in kept.tolist()] for cells in (data.items.title, data.items.text))
    attributes: dict[str, Sequence[str]] = {
        name: [cells[row] for row in kept.tolist()] for name, cells in data.items.attributes.items()
    }
    items = replace(data.items, item=data.items.item[kept], attributes=attributes, title=title, text=text)
    values = {name: [cells[row] for row in kept] for name, cells in data.values.items()}
    is_listed = None if data.is_listed is None else data.is_listed[kept]
    return replace(data, log=log, items=items, values=values, is_listed=is_listed)


def from_csv(interactions: Path, items: Path | None = None, name: str = "") -> Dataset:
    """Any set: `interactions` with columns user, item, timestamp or pos, kind; `items` with item, title, attributes.

    Raises:
        UnusableFile: with what to change in the file.
    """
    events = read_interactions(interactions)
    catalogue = read_items(items) if items is not None else Items(events.item[:0], [], [], {})
    event_items, item_keys = _same_type(events.item, catalogue.item)
    if items is not None:
        _compare_keys(item_keys, event_items, items)
    table, values = _item_table(catalogue, item_keys, event_items)
    visitor = np.unique(events.user, return_inverse=True)[1].astype(np.int64)
    log = EventLog(visitor, event_items, events.kind, events.at, np.ones(len(visitor), dtype=np.float32))
    is_listed = np.isin(table.item, item_keys)
    return Dataset(name or interactions.name.split(".")[0], log, table, values, events.has_time, is_listed=is_listed)


def _same_type(a: NDArray[np.generic], b: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Keys that are integers in one file and words in the other are words in both."""
    if len(b) and (a.dtype.kind == "i") != (b.dtype.kind == "i"):
        return a.astype(np.str_), b.astype(np.str_)
    return a, b if len(b) else a[:0]


def _compare_keys(item_keys: NDArray[np.generic], event_items: NDArray[np.generic], path: Path) -> None:
    """Say how far both files speak of the same items.

    Raises:
        UnusableFile: not at all; then titles and attributes would describe nothing.
    """
    of_events = np.unique(event_items)
    met = int(np.isin(item_keys, of_events).sum())
    found = f"{path.name}: {met:,} of {len(item_keys):,} items occur in the events"
    if not met:
        examples = f"{', '.join(map(str, item_keys[:1]))} here, {of_events[0]} there"
        raise UnusableFile(f"{found}; keys must be written alike in both files ({examples}).")
    say(f"{found}, which name {len(of_events) - met:,} more")


def _item_table(
    catalogue: Items, item_keys: NDArray[np.generic], event_items: NDArray[np.generic]
) -> tuple[ItemTable, dict[str, list[list[str]]]]:
    """All items of catalogue and events by ascending key; what only events know has neither title nor attributes."""
    keys = np.unique(np.concatenate([item_keys, event_items]))
    place = np.full(len(keys), -1)
    place[np.searchsorted(keys, item_keys)] = np.arange(len(item_keys))
    rows = place.tolist()
    values = {name: [column[row] if row >= 0 else [] for row in rows] for name, column in catalogue.attributes.items()}
    table = ItemTable(
        item=keys,
        title=[catalogue.title[row] if row >= 0 else "" for row in rows],
        text=[catalogue.text[row] if row >= 0 else "" for row in rows],
        attributes={name: [", ".join(cell) for cell in column] for name, column in values.items()},
    )
    return table, values
