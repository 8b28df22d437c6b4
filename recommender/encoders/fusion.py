"""Several vectors an item → one: unit parts side by side, each times the root of its weight.

The weights are chosen on what visitors did after the training period, so a part that does not help fades out.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from recommender.dataset.item_encoder import fuse_parts
from recommender.encoders.tables import Part

Floats = NDArray[np.float32]
POPULARITY_DIM = 2


def popularity_part(popularity: Floats) -> Floats:
    """[items] counts ≥ 0 → [items, 2] unit norm whose cosine with (1, 0) is log popularity over the largest one."""
    logs = np.log1p(popularity)
    share = logs / max(float(logs.max(initial=0.0)), 1e-6)
    return np.stack([share, np.sqrt(np.clip(1 - share**2, 0, 1))], axis=1).astype(np.float32)


def lay_out(dims: Mapping[str, int], weights: Mapping[str, float]) -> tuple[Part, ...]:
    """The parts in order with their columns; weights are scaled to sum to 1."""
    total = sum(weights[name] for name in dims)
    parts, start = [], 0
    for name, dim in dims.items():
        parts.append(Part(name, start, start + dim, weights[name] / total))
        start += dim
    return tuple(parts)


def fuse(vectors: Mapping[str, Floats], parts: tuple[Part, ...]) -> Floats:
    """[items, dim] float32, unit norm, see `fuse_parts`."""
    return fuse_parts(vectors, {part.name: part.weight for part in parts})


def fit_weights(cosines: Floats, relevant: NDArray[np.bool_], names: tuple[str, ...]) -> dict[str, float]:
    """Weights ≥ 0 that sum to 1 and make what visitors did next most likely under a softmax over items.

    Args:
        cosines: [visitors, items, parts] float32. relevant: [visitors, items]; rows without any are left out.
        names: [parts].
    """
    usable = relevant.any(axis=1)
    if not usable.any():
        return dict.fromkeys(names, 1.0 / len(names))
    inputs = torch.from_numpy(cosines[usable])
    share = torch.from_numpy((relevant[usable] / relevant[usable].sum(axis=1, keepdims=True)).astype(np.float32))
    raw = torch.full((len(names),), 1.0, requires_grad=True)
    optimizer = torch.optim.LBFGS([raw], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        log_share = (inputs @ F.softplus(raw)).log_softmax(dim=1)  # [visitors, items]
        loss = -(share * log_share).sum() / len(share) + 1e-3 * F.softplus(raw).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    weights = F.softplus(raw).detach().numpy()
    return {name: float(weight) for name, weight in zip(names, weights / weights.sum(), strict=True)}
