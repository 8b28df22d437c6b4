"""The stages of a training, how far a run has come through them, and what it need not compute again."""

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from recommender.checkpoints import Checkpoints
from recommender.encoders.progress import Progress, Report
from recommender.encoders.training import EpochReport, Keep, State

# Stages in order, with the share of the whole run that each takes, roughly, on a million events and two cores.
STAGES = {
    "text": 0.05,
    "autoencoder": 0.09,
    "graph": 0.04,
    "sequence": 0.33,
    "fusion": 0.14,
    "refit": 0.09,
    "judge": 0.12,
    "final": 0.07,
    "vectors": 0.04,
    "publish": 0.03,
}


LARGE_LOG: Final = 5_000_000  # events: a smaller one's training pays more for the system's pages than they are worth
LARGE_BYTES: Final = 2_000_000
M_MMAP_THRESHOLD: Final = -3  # of glibc's mallopt


def give_back(events: int) -> None:
    """Hand freed memory back to the system; of a large log, from now on each large array as soon as it is freed.

    glibc keeps what lies between things still in use, 0.4 GB after the ranker had been fitted; and once a large array
    was freed, it takes others of that size, up to 32 MB, from there.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        if events >= LARGE_LOG:
            libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.malloc_trim(0)


class Stages:
    """Turns epochs of stages into `Progress` of the whole run, and keeps the losses and what steps made.

    Args:
        events: of the log, see `give_back`.
    """

    def __init__(self, report: Report, checkpoints: Checkpoints | None = None, events: int = 0) -> None:
        self.report, self.began, self.events = report, time.monotonic(), events
        self.checkpoints = checkpoints
        self.losses: list[dict[str, object]] = []
        self.names = list(STAGES)
        self.read_back = 0.0  # share of the run that checkpoints spared
        self.heard: list[Any] = []  # (stage, epoch, epochs, loss) since the last step began

    def __call__(self, stage: str) -> EpochReport:
        def epoch_done(epoch: int, epochs: int, loss: float) -> None:
            self._tell(stage, epoch, epochs, loss)

        give_back(self.events)
        epoch_done(0, 1, 0.0)
        return epoch_done

    def keep(self, step: str, compute: Callable[[], State]) -> State:
        """What the step makes: read back where an earlier attempt has finished it."""
        give_back(self.events)
        self.heard = []
        found = self.checkpoints.read(step) if self.checkpoints else None
        if found is None:
            made = {name: tensor.cpu().contiguous() for name, tensor in compute().items()}
            if self.checkpoints:
                self.checkpoints.write(step, made, self.heard)
            return made
        state, reports = found
        for stage, epoch, epochs, loss in reports:
            self.read_back = max(self.read_back, self._fraction(stage, epoch, epochs))
            self._tell(stage, epoch, epochs, loss)
        return state

    def within(self, name: str) -> Keep:
        """`keep` for steps that come again under another name: "refit-sequence"."""
        return lambda step, compute: self.keep(f"{name}-{step}", compute)

    def _tell(self, stage: str, epoch: int, epochs: int, loss: float) -> None:
        self.heard.append((stage, epoch, epochs, loss))
        fraction = self._fraction(stage, epoch, epochs)
        elapsed, done = time.monotonic() - self.began, fraction - self.read_back
        left = elapsed * (1 - fraction) / done if done > 0.02 else None
        if epoch and loss:
            self.losses.append({"stage": stage, "epoch": epoch, "loss": round(loss, 6)})
        index = self.names.index(stage)
        self.report(Progress(stage, index + 1, len(self.names), epoch, epochs, loss or None, fraction, left))

    def _fraction(self, stage: str, epoch: int, epochs: int) -> float:
        """How much of the whole run is done after this epoch."""
        before = sum(STAGES[name] for name in self.names[: self.names.index(stage)])
        return before + STAGES[stage] * epoch / max(epochs, 1)
