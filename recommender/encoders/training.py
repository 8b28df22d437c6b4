"""What every training loop shares: seeds, the device, the report of an epoch, what need not be computed again."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch

State = dict[str, torch.Tensor]  # parameter name → values, on the CPU
EpochReport = Callable[[int, int, float], None]  # (epoch done, epochs planned, mean loss)
Keep = Callable[[str, Callable[[], State]], State]  # (step, how it is computed) → what it made, computed or read back
ABOUT: Final = "about"


def silent(epoch: int, epochs: int, loss: float) -> None:
    """Report to nobody."""


def afresh(step: str, compute: Callable[[], State]) -> State:
    """Compute always, keep nothing."""
    return compute()


def as_tensor(content: bytes) -> torch.Tensor:
    """[bytes] uint8: a file inside a file of tensors."""
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())


def as_bytes(tensor: torch.Tensor) -> bytes:
    """The file that `as_tensor` made a tensor of."""
    return tensor.numpy().tobytes()


def written(about: Any) -> State:
    """JSON as a state of its own."""
    # As a tensor: the order of safetensors' own metadata differs from process to process.
    return {ABOUT: as_tensor(json.dumps(about).encode())}


def read_written(state: State) -> Any:
    """The JSON of `written`."""
    return json.loads(as_bytes(state[ABOUT]))


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
