"""Contrastive objectives shared by the encoders."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def info_nce(view_a: Tensor, view_b: Tensor, temperature: float = 0.1) -> Tensor:
    """Pull two views of one item together and push the batch's other items apart.

    Args:
        view_a, view_b: [batch, dim] float; row i of both is the same item, any length.
        temperature: softmax temperature, > 0; lower weighs near negatives more.
    Returns:
        Scalar mean cross-entropy in nats; log(batch) when every row is the same vector.
    Raises:
        ValueError: fewer than two rows, so there is no negative.
    Source: InfoNCE, arXiv:1807.03748.
    """
    if len(view_a) < 2:
        raise ValueError("info_nce needs at least two rows: with one there is no negative")
    a, b = F.normalize(view_a, dim=-1), F.normalize(view_b, dim=-1)
    logits = a @ b.T / temperature  # [batch, batch]
    return F.cross_entropy(logits, torch.arange(len(a), device=a.device))


def sampled_softmax(
    query: Tensor,
    candidates: Tensor,
    of: Tensor,
    target: Tensor,
    *,
    scale: Tensor | float,
    bias: Tensor | None = None,
    weight: Tensor | None = None,
    at_once: int | None = None,
) -> Tensor:
    """Cross-entropy of many targets a query among candidates that all queries share, as one matrix product.

    Args:
        query: [queries, dim] unit norm. candidates: [n, dim] unit norm.
        of, target: [pairs] int64: the query of a pair, and its target's place among the candidates.
        scale: 1 / temperature.
        bias: [n] added to the logits: a prior, or minus the log of how often a candidate is drawn, so that drawing
            popular items more often does not teach the model to avoid them.
        weight: [pairs] ≥ 0, importance of a pair; None is all alike.
        at_once: queries whose logits are held together, and computed again for the gradient; None holds all.
    Returns:
        Scalar weighted mean in nats.
    Source: sampled softmax with the logQ correction, Yi et al., RecSys 2019.
    """
    # The logits are the largest tensor of a step: nothing but their sum is made of them, so that they are held once.
    query = query * scale
    if at_once is None:
        mass = _mass(query, candidates, bias)  # [queries]
    else:
        parts = query.split(at_once)
        mass = torch.cat([checkpoint(_mass, part, candidates, bias, use_reentrant=False) for part in parts])
    right = (query[of] * candidates[target]).sum(dim=-1)  # [pairs]
    losses = mass[of] - (right if bias is None else right + bias[target])
    return losses.mean() if weight is None else (losses * weight).sum() / weight.sum()


def _mass(query: Tensor, candidates: Tensor, bias: Tensor | None) -> Tensor:
    """[queries] log of the sum over candidates of exp(logit)."""
    return F.linear(query, candidates, bias).logsumexp(dim=-1)
