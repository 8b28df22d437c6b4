"""What a model of the benchmark is given, and what it must be able to do.

A task is a folder, so that a model may run under another interpreter: numpy and Python 3.11 are enough to read it. What
is held out is not in the folder.

    meta.json       name, split, visitors, items, has_time, seed, n, now (seconds), questions [{name, exclude_taken}]
    train.npz       visitor, item [events] int64 numbers from 0; at [events] int64 seconds (positions where the source
                    has no time); kind [events] int8 (1 view, 2 click, 3 cart, 4 purchase); is_fit [events] bool;
                    sorted by (visitor, at, original order)
    validation.npz  for each question visitor_<name>, item_<name> [pairs] int64: what the events that are not `is_fit`
                    hold as answers; visitors ascending
    asked.npy       [asked] int64 visitors to rank for, ascending
    items.json      title, text (all text, the title too) [items] str; attributes: name → [items] lists of str
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Log:
    """Events sorted by (visitor, at, original order).

    Attributes:
        visitor, item, at: [events] int64. kind: [events] int8.
        visitors, items: how many there are in all, with or without events here.
        now: seconds, the moment at which lists are asked for.
    """

    visitor: Ints
    item: Ints
    at: Ints
    kind: NDArray[np.int8]
    visitors: int
    items: int
    now: int

    def __len__(self) -> int:
        return len(self.visitor)

    @property
    def offsets(self) -> Ints:
        """[visitors + 1] int64; visitor v owns events offsets[v]..offsets[v + 1]."""
        return np.searchsorted(self.visitor, np.arange(self.visitors + 1)).astype(np.int64)

    def where(self, mask: NDArray[np.bool_], now: int) -> "Log":
        """The rows where `mask` holds, as they looked at `now`."""
        return Log(self.visitor[mask], self.item[mask], self.at[mask], self.kind[mask], self.visitors, self.items, now)


@dataclass(frozen=True)
class Pairs:
    """What was right: [pairs] int64 visitors, ascending, and [pairs] int64 items, each pair once."""

    visitor: Ints
    item: Ints

    def __len__(self) -> int:
        return len(self.visitor)


@dataclass(frozen=True)
class Question:
    """`exclude_taken`: the list must not hold what the visitor took before, and only the rest counts as right."""

    name: str
    exclude_taken: bool


@dataclass(frozen=True)
class Task:
    """One data set under one split. Tune on `fit` → `validation`, then learn from all of `train`.

    Attributes:
        fit: the part of train before the validation answers. validation: question name → answers.
        asked: [asked] int64 visitors to rank for. n: length of a list.
        title, text: [items]; text holds the title too. attributes: name → [items] lists of values.
    """

    name: str
    split: str
    seed: int
    n: int
    has_time: bool
    questions: tuple[Question, ...]
    train: Log
    fit: Log
    validation: dict[str, Pairs]
    asked: Ints
    title: list[str]
    text: list[str]
    attributes: dict[str, list[list[str]]]

    @property
    def visitors(self) -> int:
        return self.train.visitors

    @property
    def items(self) -> int:
        return self.train.items


class Model(Protocol):
    """What the benchmark runs; made without arguments."""

    name: str

    def fit(self, task: Task, budget_seconds: float) -> None:
        """Choose settings on the validation part within the budget, then learn from all of train."""

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        """[n] visitors → [n, k] int32 items, best first, no item twice; -1 fills what the model cannot."""

    # A model may also have `settings: dict[str, Any]`: what it chose, for the report.


def read_task(folder: Path) -> Task:
    """Load a task's folder."""
    meta = json.loads((folder / "meta.json").read_text())
    with np.load(folder / "train.npz") as arrays:
        train = Log(
            arrays["visitor"],
            arrays["item"],
            arrays["at"],
            arrays["kind"],
            meta["visitors"],
            meta["items"],
            meta["now"],
        )
        is_fit = arrays["is_fit"]
    questions = tuple(Question(**question) for question in meta["questions"])
    with np.load(folder / "validation.npz") as arrays:
        validation = {q.name: Pairs(arrays[f"visitor_{q.name}"], arrays[f"item_{q.name}"]) for q in questions}
    content = json.loads((folder / "items.json").read_text())
    return Task(
        name=meta["name"],
        split=meta["split"],
        seed=meta["seed"],
        n=meta["n"],
        has_time=meta["has_time"],
        questions=questions,
        train=train,
        fit=train.where(is_fit, meta["fit_now"]),
        validation=validation,
        asked=np.load(folder / "asked.npy"),
        title=content["title"],
        text=content["text"],
        attributes=content["attributes"],
    )


def write_task(task: Task, is_fit: NDArray[np.bool_], folder: Path) -> None:
    """The folder that `read_task` reads; `is_fit` [events of train]."""
    folder.mkdir(parents=True, exist_ok=True)
    meta: dict[str, Any] = {
        "name": task.name,
        "split": task.split,
        "visitors": task.visitors,
        "items": task.items,
        "has_time": task.has_time,
        "seed": task.seed,
        "n": task.n,
        "now": task.train.now,
        "fit_now": task.fit.now,
        "questions": [{"name": q.name, "exclude_taken": q.exclude_taken} for q in task.questions],
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=2) + "\n")
    log = task.train
    np.savez(folder / "train.npz", visitor=log.visitor, item=log.item, at=log.at, kind=log.kind, is_fit=is_fit)
    pairs: dict[str, Any] = {}
    for name, right in task.validation.items():
        pairs |= {f"visitor_{name}": right.visitor, f"item_{name}": right.item}
    np.savez(folder / "validation.npz", **pairs)
    np.save(folder / "asked.npy", task.asked)
    (folder / "items.json").write_text(
        json.dumps({"title": task.title, "text": task.text, "attributes": task.attributes})
    )
