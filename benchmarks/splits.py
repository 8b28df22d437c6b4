"""Data set → task and truth: what a model may learn from, whom it is asked about, and what was right.

`time`: everything after one moment is held out. "next" asks for the first basket after it (events of one timestamp),
repeats included; "new" for everything later that the visitor had not taken before. `leave-one-out`: each visitor's last
item that is new to the visitor. What lies behind a held-out event of its visitor is in no part of the task. Tuning data
come from the same rule once more inside train. An item that neither the items file nor train names is no item of the
task: in the catalogue it would say "answer" to whoever lists what nobody took. It stays an answer that none can find.

    python -m benchmarks.splits amazon-beauty time FOLDER      # FOLDER/task, FOLDER/truth.npz
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets import DATA_FOLDER, NAMES, TRAIN_SHARE, Dataset, load
from benchmarks.task import Ints, Log, Pairs, Question, Task, write_task

SPLITS: Final = ("time", "leave-one-out")
LIST_LENGTH: Final = 100
NEXT, NEW, LAST = Question("next", False), Question("new", True), Question("last", True)
REBUY_SHARE: Final = 0.05  # of the held-out pairs; below it "next basket" is the same question as "new"
MAX_SCORES: Final = 300_000_000  # asked visitors × items; more visitors are drawn from, down to LEAST_ASKED
LEAST_ASKED: Final = 5_000
MAX_VALIDATION: Final = 5_000

Mask = NDArray[np.bool_]


class CannotSplit(Exception):
    """The data do not allow this split; the message says which does."""


@dataclass(frozen=True)
class Truth:
    """What was held out.

    Attributes:
        right: question name → pairs of asked visitors; an item from `task.items` on is none of the task's.
        tied: visitors whose held-out item has the time of another of their events; None in the time split.
    """

    right: dict[str, Pairs]
    tied: Ints | None = None


@dataclass(frozen=True)
class Answers:
    """One application of a rule: which events stay to learn from, and what the others answer."""

    kept: Mask
    right: dict[str, Pairs]
    now: int
    tied: Ints | None = None


def split(data: Dataset, how: str, seed: int = 0) -> tuple[Task, Mask, Truth]:
    """(task, [events of train] which of them are `fit`, truth).

    Raises:
        CannotSplit: no timestamps for the time split, one for nearly all events, or nothing to hold out.
    """
    if how == "time" and not data.has_time:
        raise CannotSplit(f"{data.name} has no timestamps, only the order of events; use --split leave-one-out.")
    log = _numbered(data)
    if how == "time" and data.cut is None:
        _refuse_one_moment(log, data.name)
    held_out = by_time(log, data.cut) if how == "time" else leave_one_out(log)
    is_known = _known(log.where(held_out.kept, held_out.now), data.is_listed)
    train, right, tied = _renumbered(log, held_out, is_known)
    rows = np.flatnonzero(is_known).tolist()
    if not any(len(pairs) for pairs in right.values()):
        raise CannotSplit(f"{data.name} by {how} leaves nobody to ask: more than one event a visitor is needed.")
    inner = by_time(train, None) if how == "time" else leave_one_out(train)
    questions = _questions(train, right)
    rng = np.random.default_rng(seed)
    asked = _drawn(np.unique(np.concatenate([right[q.name].visitor for q in questions])), most_asked(train.items), rng)
    task = Task(
        name=data.name,
        split=how,
        seed=seed,
        n=LIST_LENGTH,
        has_time=data.has_time,
        questions=questions,
        train=train,
        fit=train.where(inner.kept, inner.now),
        validation={q.name: _of(inner.right[q.name], MAX_VALIDATION, rng) for q in questions},
        asked=asked,
        title=[data.items.title[row] for row in rows],
        text=[data.items.text[row] for row in rows],
        attributes={name: [cells[row] for row in rows] for name, cells in data.values.items()},
    )
    truth = Truth({q.name: _among(right[q.name], asked) for q in questions}, tied)
    return task, inner.kept, truth


def write(data: Dataset, how: str, seed: int, folder: Path) -> tuple[Task, Truth]:
    """`folder`/task for the models and `folder`/truth.npz for the metrics."""
    task, is_fit, truth = split(data, how, seed)
    write_task(task, is_fit, folder / "task")
    arrays: dict[str, Any] = {} if truth.tied is None else {"tied": truth.tied}
    for name, pairs in truth.right.items():
        arrays |= {f"visitor_{name}": pairs.visitor, f"item_{name}": pairs.item}
    np.savez(folder / "truth.npz", **arrays)
    return task, truth


def _refuse_one_moment(log: Log, name: str) -> None:
    """A cut beside a moment that holds nearly everything leaves next to nothing to learn from, or nothing to ask."""
    moments, events = np.unique(log.at, return_counts=True)
    share = events.max(initial=0) / max(len(log), 1)
    if share >= TRAIN_SHARE:
        moment = np.datetime64(int(moments[events.argmax()]), "s")
        raise CannotSplit(
            f"{name}: {share:.0%} of the events have the time {moment}, so that no moment parts them by time; "
            "give the events their own times, or use --split leave-one-out."
        )


def by_time(log: Log, cut: int | None) -> Answers:
    """Hold out what happened from `cut` on (None: when nine in ten events have happened)."""
    if not len(log):
        return Answers(np.zeros(0, bool), {"next": _pairs(log, []), "new": _pairs(log, [])}, 0)
    if cut is None:
        cut = int(np.sort(log.at)[int(len(log) * TRAIN_SHARE)])
    kept = log.at < cut
    known = np.zeros(log.visitors, dtype=bool)
    known[log.visitor[kept]] = True
    later = np.flatnonzero(~kept & known[log.visitor])
    first = np.full(log.visitors, np.iinfo(np.int64).max)
    np.minimum.at(first, log.visitor[later], log.at[later])
    basket = later[log.at[later] == first[log.visitor[later]]]
    pair = log.visitor * log.items + log.item
    new = later[~np.isin(pair[later], pair[kept])]
    return Answers(kept, {"next": _pairs(log, basket), "new": _pairs(log, new)}, cut)


def leave_one_out(log: Log) -> Answers:
    """Hold out each visitor's last event of an item that is new to the visitor, and whatever follows it."""
    pair = log.visitor * log.items + log.item
    is_new = np.zeros(len(log), dtype=bool)
    is_new[np.unique(pair, return_index=True)[1]] = True
    last_new = np.full(log.visitors, -1)
    np.maximum.at(last_new, log.visitor[is_new], np.flatnonzero(is_new))
    starts = log.offsets[:-1]
    asked = np.flatnonzero(last_new > starts)
    target = last_new[asked]
    kept = np.ones(len(log), dtype=bool)
    has_target = np.zeros(log.visitors, dtype=bool)
    has_target[asked] = True
    kept[has_target[log.visitor] & (np.arange(len(log)) >= last_new[log.visitor])] = False
    tied = asked[log.at[target] == log.at[target - 1]]
    now = int(log.at.max(initial=0))
    return Answers(kept, {"last": _pairs(log, target)}, now, tied)


def _numbered(data: Dataset) -> Log:
    """The data set's events by (visitor, at, original order), items as places in the table."""
    events = data.log
    order = np.lexsort((np.arange(len(events)), events.at, events.visitor))
    visitor = np.unique(events.visitor[order], return_inverse=True)[1].astype(np.int64)
    item = np.searchsorted(data.items.item, events.item[order]).astype(np.int64)
    visitors = int(visitor.max(initial=-1)) + 1
    at = events.at[order].astype(np.int64)
    return Log(visitor, item, at, events.kind[order], visitors, len(data.items), 0)


def _known(train: Log, is_listed: Mask | None) -> Mask:
    """[items] which of them somebody could know before the held-out events: listed in the items file, or in train."""
    if is_listed is None:
        return np.ones(train.items, dtype=bool)
    is_known = is_listed.copy()
    is_known[train.item] = True
    return is_known


def _renumbered(log: Log, held_out: Answers, is_known: Mask) -> tuple[Log, dict[str, Pairs], Ints | None]:
    """Train, answers and tied visitors: visitors of train are numbered from 0, and known items, then the others."""
    kept = log.where(held_out.kept, held_out.now)
    known = np.unique(kept.visitor)
    number = np.searchsorted(known, kept.visitor)
    items = int(is_known.sum())
    place = np.where(is_known, np.cumsum(is_known) - 1, items + np.cumsum(~is_known) - 1).astype(np.int64)
    train = Log(number, place[kept.item], kept.at, kept.kind, len(known), items, held_out.now)
    right = {name: Pairs(np.searchsorted(known, p.visitor), place[p.item]) for name, p in held_out.right.items()}
    return train, right, None if held_out.tied is None else np.searchsorted(known, held_out.tied)


def _questions(train: Log, right: Mapping[str, Pairs]) -> tuple[Question, ...]:
    if "last" in right:
        return (LAST,)
    taken = train.visitor * train.items + train.item
    pairs = right["next"]
    repeats = (pairs.item < train.items) & np.isin(pairs.visitor * train.items + pairs.item, taken)
    rebuys = len(repeats) and repeats.mean() >= REBUY_SHARE
    return tuple(question for question in (NEXT, NEW) if len(right[question.name]) and (rebuys or question is NEW))


def _pairs(log: Log, events: Any) -> Pairs:
    rows = np.asarray(events, dtype=np.int64)
    pair = np.unique(log.visitor[rows] * log.items + log.item[rows])
    return Pairs(pair // log.items, pair % log.items)


def most_asked(items: int) -> int:
    """How many visitors are asked at most: 24,000 with 12,000 items, 5,000 from 60,000 items on."""
    return max(LEAST_ASKED, MAX_SCORES // max(items, 1))


def _drawn(visitors: Ints, most: int, rng: np.random.Generator) -> Ints:
    return visitors if len(visitors) <= most else np.sort(rng.choice(visitors, most, replace=False))


def _among(pairs: Pairs, visitors: Ints) -> Pairs:
    mask = np.isin(pairs.visitor, visitors)
    return Pairs(pairs.visitor[mask], pairs.item[mask])


def _of(pairs: Pairs, most: int, rng: np.random.Generator) -> Pairs:
    return _among(pairs, _drawn(np.unique(pairs.visitor), most, rng))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=NAMES)
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-folder", type=Path, default=DATA_FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write(load(options.data, options.data_folder), options.split, options.seed, options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
