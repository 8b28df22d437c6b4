"""What the quality benchmark keeps: lists outside of git, one JSON a finished model inside."""

import datetime
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.metrics import Lists
from benchmarks.task import Task

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
LISTS: Final = ROOT / ".benchmarks" / "quality"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one model's run on one task is kept."""

    data: str
    split: str
    model: str

    @property
    def result(self) -> Path:
        return RESULTS / "quality" / self.data / self.split / f"{self.model}.json"

    @property
    def folder(self) -> Path:
        """Lists, cost and the model's own log."""
        return LISTS / self.data / self.split / self.model

    def empty(self) -> None:
        """Forget an earlier run."""
        self.result.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


def fingerprint(task: Task, budget_seconds: float) -> str:
    """Changes with anything that a finished result depends on, the model's code apart."""
    digest = hashlib.sha256(f"{task.seed} {task.n} {budget_seconds} {task.questions} {task.items}".encode())
    for column in (task.train.visitor, task.train.item, task.train.at, task.train.kind, task.asked):
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update(json.dumps([task.has_time, task.title, task.text, task.attributes]).encode())
    return digest.hexdigest()[:16]


def finished(place: Place, mark: str) -> bool:
    """Whether a run with this fingerprint is there, result and lists."""
    result = read_result(place, mark)
    return result is not None and "failed" not in result


def read_result(place: Place, mark: str) -> dict[str, Any] | None:
    """What the model cost, or {"failed": why}; None where no run with this fingerprint is there."""
    if not place.result.is_file():
        return None
    result: dict[str, Any] = json.loads(place.result.read_text())
    if result["fingerprint"] != mark or not ("failed" in result or (place.folder / "cost.json").is_file()):
        return None
    return result


def read_lists(place: Place, question: str) -> Lists:
    lists: Lists = np.load(place.folder / f"lists_{question}.npy")
    return lists


def write_result(place: Place, mark: str) -> None:
    """Keep what a finished run wrote about its cost."""
    _write(place, {"fingerprint": mark, **json.loads((place.folder / "cost.json").read_text())})


def write_failure(place: Place, mark: str, error: str) -> None:
    _write(place, {"fingerprint": mark, "failed": error})


def _write(place: Place, result: dict[str, Any]) -> None:
    place.result.parent.mkdir(parents=True, exist_ok=True)
    measured = datetime.datetime.now(datetime.UTC).date().isoformat()
    place.result.write_text(json.dumps(result | {"measured": measured}, indent=2) + "\n")
