"""A training that breaks off goes on after its last finished step, and its version comes out bit by bit the same."""

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recommender.checkpoints import Checkpoints, inputs_hash
from recommender.encoders.progress import Progress
from recommender.encoders.tables import EmbeddingTable
from recommender.evaluation.gate import Verdict
from recommender.pipeline import train_version
from recommender.stages import Stages
from tests.event_logs import camps, catalogue
from tests.test_pipeline import SMALL

LOG, ITEMS = camps(), catalogue(42)
STEPS = [
    "content",
    "graph",
    "sequence",
    "fusion",
    "refit-graph",
    "refit-sequence",
    "judge",
    "final-graph",
]


class Killed(Exception):
    """As if the process had ended here."""


class Written(Checkpoints):
    """Remembers which steps this attempt finished itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, inputs_hash(LOG, ITEMS, SMALL))
        self.steps: list[str] = []

    def write(self, step: str, state: dict[str, torch.Tensor], reports: list[object]) -> None:
        super().write(step, state, reports)
        self.steps.append(step)


def train(checkpoints: Checkpoints | None = None, kill_at: str = "") -> tuple[str, list[Progress]]:
    """(hash of everything that would be published, reports)."""
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.stage == kill_at and progress.epoch:
            raise Killed

    return digest(*train_version(LOG, ITEMS, SMALL, report, checkpoints=checkpoints)), reports


def digest(table: EmbeddingTable, verdict: Verdict) -> str:
    found = hashlib.sha256()
    for field in fields(table):
        value = getattr(table, field.name)
        found.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    found.update(json.dumps(asdict(verdict), sort_keys=True).encode())
    return found.hexdigest()


@pytest.fixture(scope="module")
def uninterrupted() -> str:
    return train()[0]


@pytest.mark.slow
def test_a_training_killed_in_any_stage_ends_in_the_same_version(uninterrupted: str, tmp_path: Path) -> None:
    done: list[str] = []
    for kill_at in ("autoencoder", "sequence", "fusion", "judge", "vectors"):
        attempt = Written(tmp_path)
        with pytest.raises(Killed):
            train(attempt, kill_at)
        assert not set(attempt.steps) & set(done), "a finished step is not computed again"
        done += attempt.steps
    last = Written(tmp_path)
    found, reports = train(last)
    assert found == uninterrupted
    assert last.steps == [] and done[: len(STEPS)] == STEPS
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert {report.stage for report in reports if report.loss} >= {"graph", "sequence"}, "the curves are there again"


def test_the_time_left_is_judged_by_what_was_computed_not_by_what_was_read_back(tmp_path: Path) -> None:
    first = Stages(lambda progress: None, Checkpoints(tmp_path, "a" * 64))
    reports: list[Progress] = []
    second = Stages(reports.append, Checkpoints(tmp_path, "a" * 64))
    for stages in (first, second):
        stages.keep("sequence", lambda stages=stages: stages("sequence")(1, 1, 0.5) or {"x": torch.ones(2)})
    assert reports[-1].fraction > 0.5 and reports[-1].eta_seconds is None


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path, "a" * 64)
    checkpoints.folder.mkdir()
    (checkpoints.folder / "graph.safetensors.unfinished").symlink_to("/dev/full")  # every write: no space left
    made = Stages(lambda progress: None, checkpoints).keep("graph", lambda: {"x": torch.arange(9.0)})
    assert made["x"].tolist() == list(range(9))
    assert "No space left" in caplog.text and "the training goes on" in caplog.text
    assert checkpoints.read("graph") is None and list(checkpoints.folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "without its JSON", "JSON of something else"])
def test_a_damaged_checkpoint_is_not_used(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path, "a" * 64)
    checkpoints.write("graph", {"x": torch.arange(99.0)}, [])
    tensors, about = (checkpoints.folder / f"graph.{suffix}" for suffix in ("safetensors", "json"))
    content = tensors.read_bytes()
    if damage == "cut":
        tensors.write_bytes(content[:-9])
    elif damage == "changed":
        tensors.write_bytes(content[:-1] + b"?")
    elif damage == "without its JSON":
        about.unlink()
    else:
        about.write_text("[]")
    assert checkpoints.read("graph") is None


def test_other_inputs_find_nothing_and_take_the_room(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "a" * 64).write("graph", {"x": torch.ones(2)}, [])
    (tmp_path / "somebody's").mkdir()
    other = Checkpoints(tmp_path, "b" * 64)
    assert other.read("graph") is None
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's"]


def test_the_hash_of_the_inputs_changes_with_every_input() -> None:
    later = replace(LOG, at=LOG.at + 1)
    renamed = replace(ITEMS, text=[f"{text}!" for text in ITEMS.text])
    dated = replace(ITEMS, added_at=np.arange(len(ITEMS), dtype=np.float64))
    found = {
        inputs_hash(LOG, ITEMS, SMALL),
        inputs_hash(later, ITEMS, SMALL),
        inputs_hash(LOG, renamed, SMALL),
        inputs_hash(LOG, dated, SMALL),
        inputs_hash(LOG, ITEMS, replace(SMALL, candidates=9)),
        inputs_hash(LOG, ITEMS, SMALL, "warm"),
    }
    assert len(found) == 6 and inputs_hash(LOG, ITEMS, SMALL) in found
