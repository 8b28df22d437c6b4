"""The stages of a training, and how far a run has come through them."""

import time

from recommender.encoders.progress import Progress, Report
from recommender.encoders.training import EpochReport

# Stages in order, with the share of the whole run that each takes, roughly, on a million events and two cores.
STAGES = {
    "text": 0.02,
    "autoencoder": 0.08,
    "graph": 0.09,
    "sequence": 0.33,
    "fusion": 0.1,
    "refit": 0.16,
    "judge": 0.03,
    "final": 0.16,
    "vectors": 0.02,
    "publish": 0.01,
}


class Stages:
    """Turns epochs of stages into `Progress` of the whole run, and keeps the losses."""

    def __init__(self, report: Report) -> None:
        self.report, self.began = report, time.monotonic()
        self.losses: list[dict[str, object]] = []
        self.names = list(STAGES)

    def __call__(self, stage: str) -> EpochReport:
        index = self.names.index(stage)
        before = sum(STAGES[name] for name in self.names[:index])

        def epoch_done(epoch: int, epochs: int, loss: float) -> None:
            fraction = before + STAGES[stage] * epoch / max(epochs, 1)
            elapsed = time.monotonic() - self.began
            left = elapsed * (1 - fraction) / fraction if fraction > 0.02 else None
            if epoch and loss:
                self.losses.append({"stage": stage, "epoch": epoch, "loss": round(loss, 6)})
            self.report(Progress(stage, index + 1, len(self.names), epoch, epochs, loss or None, fraction, left))

        epoch_done(0, 1, 0.0)
        return epoch_done
