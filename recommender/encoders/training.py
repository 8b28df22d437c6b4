"""What every training loop shares: seeds, the device, the report of an epoch."""

import random
from collections.abc import Callable

import numpy as np
import torch

EpochReport = Callable[[int, int, float], None]  # (epoch done, epochs planned, mean loss)


def silent(epoch: int, epochs: int, loss: float) -> None:
    """Report to nobody."""


def seeded(seed: int) -> torch.Generator:
    """Seed every source of randomness that torch and numpy share; returns a CPU generator for the data order."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def choose_device(wanted: str = "auto") -> str:
    """ "auto" → "cuda" where torch sees a GPU, else "cpu"; anything else as it is."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"
