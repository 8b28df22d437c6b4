"""How training tells the outside where it stands."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running training.

    Attributes:
        stage: which step of `retrain` is running, e.g. "graph".
        stage_index, stage_count: 1-based position of the stage among all.
        epoch, epochs: epochs done and planned in this stage; 0 of 0 where a stage has none.
        loss: mean loss of the last epoch, None where there is none.
        fraction: 0..1 of the whole run.
        eta_seconds: estimate of what is left of the whole run; None while unknown.
    """

    stage: str
    stage_index: int
    stage_count: int
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    fraction: float = 0.0
    eta_seconds: float | None = None


Report = Callable[[Progress], None]
