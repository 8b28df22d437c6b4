"""Fits the ranker: a small network over `ranking_features` that puts what visitors did next on top."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.dataset.ranking_features import FEATURES

Floats = NDArray[np.float32]
START_SIMILARITY = 0.1  # weights of the start, per standard deviation
START_OWN = 3.0
CHECK_STEPS = 10


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
    features: list[Floats], relevant: list[NDArray[np.bool_]], steps: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Parameters for `rank_candidates` that maximise the listwise likelihood of the relevant candidates.

    The start is a fair ranker already: own purchases first, then similarity. A third of the visitors only tells after
    which step the lists were best, and the start stays unless that is better by more than its standard error: a shop
    with few visitors must not learn them by heart.

    Args:
        features: a visitor each, [candidates, features]. relevant: a visitor each, [candidates]; visitors without a
            relevant candidate are left out. With few left the answer is empty: similarity decides.
    Source: ListNet's top-one cross-entropy, Cao et al., ICML 2007.
    """
    usable = [(x, y) for x, y in zip(features, relevant, strict=True) if y.any()]
    if len(usable) < 10:  # too few to learn seven features from
        return {}
    torch.manual_seed(seed)
    fit, check = [pair for n, pair in enumerate(usable) if n % 3], usable[::3]
    rows = torch.from_numpy(np.concatenate([x for x, _ in fit]))  # [rows, features]
    owner = torch.from_numpy(np.repeat(np.arange(len(fit)), [len(x) for x, _ in fit]))
    share = torch.from_numpy(np.concatenate([y / y.sum() for _, y in fit]).astype(np.float32))
    model = Ranker(rows.mean(dim=0), rows.std(dim=0).clamp(min=1e-3))
    with torch.no_grad():
        model.linear.weight[0, FEATURES.index("similarity")] = START_SIMILARITY
        model.linear.weight[0, FEATURES.index("own_long")] = START_OWN
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start, start_json = _quality(model, check), model.as_json()
    best, best_json = start, start_json
    for step in range(1, steps + 1):
        loss = -(share * _log_softmax(model(rows), owner, len(fit))).sum() / len(fit)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % CHECK_STEPS == 0 and (quality := _quality(model, check)).mean() > best.mean():
            best, best_json = quality, model.as_json()
    gain = best - start
    return best_json if gain.mean() > gain.std() / np.sqrt(len(gain)) else start_json


@torch.no_grad()
def _quality(model: Ranker, check: list[tuple[Floats, NDArray[np.bool_]]]) -> NDArray[np.float64]:
    """[check] NDCG@10 of each visitor's candidates."""
    discount = 1 / np.log2(np.arange(2, 12))
    gains = []
    for features, relevant in check:
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
