"""What every training loop shares: seeds, the device, the report of an epoch."""

import random
from collections.abc import Callable

import numpy as np
import torch

State = dict[str, torch.Tensor]  # parameter name → values, on the CPU
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


def state_of(model: torch.nn.Module) -> State:
    """Copies of the parameters, without what is computed from the data (buffers)."""
    return {name: value.detach().cpu().clone() for name, value in model.named_parameters()}


def resume(model: torch.nn.Module, state: State | None) -> None:
    """Put a state of `state_of` into a model of the same shape; None or an empty one leaves it as it is."""
    if state:
        model.load_state_dict(state, strict=False)
