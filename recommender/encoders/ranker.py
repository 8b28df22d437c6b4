"""Fits the ranker: a small network over `ranking_features` that puts what visitors did next on top."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.dataset.ranking_features import FEATURES

Floats = NDArray[np.float32]
Visitor = tuple[Floats, NDArray[np.bool_]]  # features and relevance of the candidates
START_SIMILARITY = 0.1  # weights of the start, per standard deviation
START_OWN = 3.0


class Ranker(nn.Module):
    """Linear plus one hidden layer; `rank_candidates` computes the same with numpy."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, hidden: int = 16) -> None:
        super().__init__()
        self.linear = nn.Linear(len(FEATURES), 1, bias=False)
        self.hidden, self.out = nn.Linear(len(FEATURES), hidden), nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, features: Tensor) -> Tensor:
        """[rows, features] → [rows]."""
        x = (features - self.mean) / self.scale
        return (self.linear(x) + self.out(self.hidden(x).relu()))[:, 0]

    def as_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "linear": self.linear.weight[0].tolist(),
            "hidden": self.hidden.weight.T.tolist(),
            "bias": self.hidden.bias.tolist(),
            "out": self.out.weight[0].tolist(),
        }


def fit_ranker(
    features: list[Floats], relevant: list[NDArray[np.bool_]], steps: int = 150, seed: int = 0
) -> dict[str, Any]:
    """Parameters for `rank_candidates` that maximise the listwise likelihood of the relevant candidates.

    The start is a fair ranker already: own purchases first, then similarity. It stays unless learning on one half of
    the visitors improves the lists of the other half by more than twice the standard error: a shop with few visitors
    must not learn them by heart.

    Args:
        features: a visitor each, [candidates, features]. relevant: a visitor each, [candidates]; visitors without a
            relevant candidate are left out. With few left the answer is empty: similarity decides.
    Source: ListNet's top-one cross-entropy, Cao et al., ICML 2007.
    """
    usable = [(x, y) for x, y in zip(features, relevant, strict=True) if y.any()]
    if len(usable) < 10:  # too few to learn seven features from
        return {}
    torch.manual_seed(seed)
    halves = usable[::2], usable[1::2]
    gain = np.concatenate(
        [
            _quality(_learn(_start(learnt), learnt, steps), asked) - _quality(_start(learnt), asked)
            for learnt, asked in (halves, halves[::-1])
        ]
    )
    model = _start(usable)
    if gain.mean() > 2 * gain.std() / np.sqrt(len(gain)):
        model = _learn(model, usable, steps)
    return model.as_json()


def _start(visitors: list[Visitor]) -> Ranker:
    rows = torch.from_numpy(np.concatenate([features for features, _ in visitors]))  # [rows, features]
    model = Ranker(rows.mean(dim=0), rows.std(dim=0).clamp(min=1e-3))
    with torch.no_grad():
        model.linear.weight[0, FEATURES.index("similarity")] = START_SIMILARITY
        model.linear.weight[0, FEATURES.index("own_long")] = START_OWN
    return model


def _learn(model: Ranker, visitors: list[Visitor], steps: int) -> Ranker:
    rows = torch.from_numpy(np.concatenate([x for x, _ in visitors]))  # [rows, features]
    owner = torch.from_numpy(np.repeat(np.arange(len(visitors)), [len(x) for x, _ in visitors]))
    share = torch.from_numpy(np.concatenate([y / y.sum() for _, y in visitors]).astype(np.float32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = -(share * _log_softmax(model(rows), owner, len(visitors))).sum() / len(visitors)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


@torch.no_grad()
def _quality(model: Ranker, visitors: list[Visitor]) -> NDArray[np.float64]:
    """[visitors] NDCG@10 of each one's candidates."""
    discount = 1 / np.log2(np.arange(2, 12))
    gains = []
    for features, relevant in visitors:
        best = np.argsort(-model(torch.from_numpy(features)).numpy(), kind="stable")[:10]
        ideal = discount[: min(int(relevant.sum()), 10)].sum()
        gains.append(float((relevant[best] * discount[: len(best)]).sum() / ideal))
    return np.array(gains)


def _log_softmax(scores: Tensor, owner: Tensor, owners: int) -> Tensor:
    """[rows] log-softmax within each owner's rows."""
    peak = torch.full((owners,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    shifted = scores - peak[owner]
    mass = torch.zeros(owners).index_add(0, owner, shifted.exp())
    return shifted - mass.log()[owner]
