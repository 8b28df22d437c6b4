"""Networks over features of candidates that learn to put on top, of each visitor's candidates, what was right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.dataset.networks import LIMIT

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]
SILENT = 1e9  # a scale that makes a feature say nothing


@dataclass(frozen=True, slots=True)
class Example:
    """One visitor's candidates, and which of them were right.

    Attributes:
        features: [candidates, features]. first: [candidates] taken next. later: [candidates] taken at all from then on.
    """

    features: Floats
    first: Booleans
    later: Booleans

    def where(self, mask: Booleans) -> "Example":
        """The candidates where `mask` holds."""
        return Example(self.features[mask], self.first[mask], self.later[mask])


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """How a network learns. batch: visitors a step."""

    hidden: int
    steps: int
    batch: int
    dropout: float
    weight_decay: float
    learning_rate: float = 0.01


class Ranker(nn.Module):
    """Linear plus one hidden layer; `Network` computes the same with numpy."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.linear = nn.Linear(len(mean), 1, bias=False)
        self.hidden, self.out = nn.Linear(len(mean), hidden), nn.Linear(hidden, 1, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    @classmethod
    def of(cls, visitors: list[Example], settings: NetworkSettings) -> "Ranker":
        """A network for these features that knows nothing yet."""
        # One visitor at a time: all rows together would double the memory that they take.
        count = sum(len(example.features) for example in visitors)
        mean = sum(example.features.sum(axis=0, dtype=np.float64) for example in visitors) / count
        squares = sum(np.square(example.features - mean).sum(axis=0) for example in visitors)
        scale = torch.from_numpy(np.sqrt(squares / max(count - 1, 1))).float()
        # What never varied in training (a shop without prices, without clicks) must say nothing when it first does.
        scale = torch.where(scale <= 1e-4, torch.full_like(scale, SILENT), scale)
        return cls(torch.from_numpy(mean).float(), scale, settings.hidden, settings.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """[rows, features] → [rows]."""
        x = ((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        return (self.linear(x) + self.out(self.dropout(self.hidden(x).relu())))[:, 0]

    @torch.no_grad()
    def scores(self, features: Floats) -> Floats:
        """[rows, features] → [rows], without dropout."""
        return np.asarray(self.eval()(torch.from_numpy(features)).numpy())

    def as_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "linear": self.linear.weight[0].tolist(),
            "hidden": self.hidden.weight.T.tolist(),
            "bias": self.hidden.bias.tolist(),
            "out": self.out.weight[0].tolist(),
        }


@torch.no_grad()
def averaged(networks: Sequence[Ranker]) -> Ranker:
    """One network whose score is the mean of theirs; they share mean and scale of the features."""
    first = networks[0]
    both = Ranker(first.mean, first.scale, sum(network.hidden.out_features for network in networks))
    both.linear.weight.copy_(torch.stack([network.linear.weight for network in networks]).mean(dim=0))
    both.hidden.weight.copy_(torch.cat([network.hidden.weight for network in networks]))
    both.hidden.bias.copy_(torch.cat([network.hidden.bias for network in networks]))
    both.out.weight.copy_(torch.cat([network.out.weight for network in networks], dim=1) / len(networks))
    return both.eval()


def learned(
    network: Ranker,
    visitors: list[Example],
    settings: NetworkSettings,
    seed: int,
    loss_of: Callable[[Ranker, list[Example]], Tensor],
) -> Ranker:
    """The network after `settings.steps` steps of `loss_of` it and `settings.batch` visitors.

    Its linear weights decay to where they began, not to 0: few visitors correct a start, they do not replace it.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps + 1)
    network.train()
    start = network.linear.weight.detach().clone()
    for _ in range(settings.steps):
        chosen = rng.permutation(len(visitors))[: settings.batch]
        loss = loss_of(network, [visitors[number] for number in chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        network.linear.weight.data -= start
        optimizer.step()
        network.linear.weight.data += start
        schedule.step()
    return network.eval()


def packed(visitors: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """([rows, features], [rows] first, [rows] later, [rows] number of the visitor) of all their candidates."""
    rows = torch.from_numpy(np.concatenate([example.features for example in visitors]))
    first = torch.from_numpy(np.concatenate([example.first for example in visitors]))
    later = torch.from_numpy(np.concatenate([example.later for example in visitors]))
    owner = torch.from_numpy(np.repeat(np.arange(len(visitors)), [len(example.first) for example in visitors]))
    return rows, first, later, owner


def cross_entropy(scores: Tensor, relevant: Tensor, owner: Tensor, owners: int) -> Tensor:
    """Mean over owners with something relevant of -log softmax within the owner's rows, over its relevant rows.

    Source: ListNet's top-one loss, Cao et al., ICML 2007.
    """
    count = torch.zeros(owners).index_add(0, owner, relevant.float())
    losses = -_log_softmax(scores, owner, owners)[relevant] / count[owner[relevant]]
    return losses.sum() / (count > 0).sum().clamp(min=1)


def _log_softmax(scores: Tensor, owner: Tensor, owners: int) -> Tensor:
    """[rows] log-softmax within each owner's rows."""
    peak = torch.full((owners,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    shifted = scores - peak[owner]
    mass = torch.zeros(owners).index_add(0, owner, shifted.exp())
    return shifted - mass.log()[owner]
