"""What a training has finished, on disk: a run that is killed goes on after its last finished step.

A step depends on its inputs and the seed only, so that the version comes out bit by bit as if nothing had happened. A
folder belongs to one set of inputs; other events, settings or code find nothing in it. Tensors as safetensors, beside
them a JSON file with their sha256, written last: a step without it was not finished.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import safetensors.torch
import torch

from recommender import __version__
from recommender.capture.tables import EventLog, ItemTable
from recommender.encoders.training import State
from recommender.encoders.warm import catalogue_hash

logger = logging.getLogger(__name__)

OWN_NAME: Final = re.compile(r"inputs-[0-9a-f]{32}")


def inputs_hash(log: EventLog, items: ItemTable, *rest: object) -> str:
    """sha256 of all that decides what a training makes; `rest` by its representation."""
    digest = hashlib.sha256(catalogue_hash(items).encode())
    for column in (log.visitor, log.item, log.kind, log.at, log.quantity):
        digest.update(f"{column.dtype} {len(column)}".encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update(b"" if items.added_at is None else items.added_at.tobytes())
    # Other releases compute otherwise, and sums depend on how many threads share them.
    digest.update(repr((__version__, torch.__version__, torch.get_num_threads(), rest)).encode())
    return digest.hexdigest()


class Checkpoints:
    """The finished steps of one set of inputs.

    Args:
        folder: of this shop alone; what other inputs left there is deleted.
        inputs: see `inputs_hash`.
    """

    def __init__(self, folder: Path, inputs: str) -> None:
        self.folder = folder / f"inputs-{inputs[:32]}"
        for other in folder.glob("inputs-*"):
            if OWN_NAME.fullmatch(other.name) and other != self.folder:
                shutil.rmtree(other, ignore_errors=True)

    @classmethod
    def within(cls, folder: str | os.PathLike[str] | None, inputs: str) -> Self | None:
        """None where no folder is set."""
        return cls(Path(folder), inputs) if folder else None

    def read(self, step: str) -> tuple[State, list[Any]] | None:
        """What `write` wrote; None where the step is not finished or its files were damaged."""
        try:
            about = json.loads(self._path(step, "json").read_bytes())
            content = self._path(step, "safetensors").read_bytes()
            if hashlib.sha256(content).hexdigest() != about["sha256"]:
                raise ValueError("other bytes than were written")
            return safetensors.torch.load(content), about["reports"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("The checkpoint of %s cannot be read, it is computed again: %s", step, error)
            return None

    def write(self, step: str, state: State, reports: list[Any]) -> None:
        """Keep a finished step, if the disk has room for it; a training goes on without.

        Args:
            reports: JSON-ready; what the step reported.
        """
        content = safetensors.torch.save(state)
        about = {"sha256": hashlib.sha256(content).hexdigest(), "reports": reports}
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(self._path(step, "safetensors"), content)
            _write(self._path(step, "json"), json.dumps(about).encode())
        except OSError as error:
            logger.warning("No checkpoint of %s (%.1f MB), the training goes on: %s", step, len(content) / 1e6, error)

    def clear(self) -> None:
        """The training is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: str, suffix: str) -> Path:
        return self.folder / f"{step}.{suffix}"


def _write(path: Path, content: bytes) -> None:
    """All or nothing: to a name of its own, to the disk, then to the final name."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
