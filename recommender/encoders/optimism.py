"""How far a ranker lifts cold items, which nobody has taken yet.

Hardly anybody has seen them, so that a log tells too little of them. Finding one counts as WORTH finds, and they are
lifted as far as that is worth what it costs the lists of visitors whom the ranker has not seen.
"""

from typing import Final

import numpy as np
import torch

from recommender.dataset.ranking_features import FEATURES
from recommender.encoders.listwise import Booleans, Example, Floats, Ranker

OPTIMISM: Final = tuple(step / 8 for step in range(25))  # tried: what is added to the scores of cold items
FOUND_AMONG: Final = 20  # first places of a list, where an item counts as found
WORTH: Final = 3.0  # finds of an item that somebody has taken, for one of a cold item
TAKEN, IS_KNOWN = FEATURES.index("taken"), FEATURES.index("is_known")
ONCE: Final = float(np.log1p(1.0))  # the feature "taken" of an item that was taken once
Lists = list[tuple[Floats, Booleans, Booleans]]  # a visitor's [candidates] scores, right or not, cold or not


def optimism(scores: list[Floats], visitors: list[Example], cost: float) -> float:
    """What to add to the scores [candidates] of cold items; 0 where nobody takes any.

    Args:
        cost: share of NDCG@10 among items new to the visitor that may be given for them.
    """
    lists = _of_new_items(scores, visitors)
    if cost <= 0 or not any((right & is_cold).any() for _scores, right, is_cold in lists):
        return 0.0
    ndcg, found, _ = _judged(lists, 0.0)
    value = {}
    for added in OPTIMISM:
        tried, _, cold = _judged(lists, added)
        if tried >= (1 - cost) * ndcg:
            value[added] = tried / max(ndcg, 1e-9) + WORTH * cold / max(found, 1)
    return max(value, key=lambda added: value[added])


@torch.no_grad()
def lifted(network: Ranker, added: float) -> Ranker:
    """The network with `added` to the score of a cold item: by a hidden unit that one taking closes."""
    more = Ranker(network.mean, network.scale, network.hidden.out_features + 1)
    unit = torch.zeros(1, network.linear.in_features)
    unit[0, TAKEN] = -network.scale[TAKEN] / ONCE
    more.linear.weight.copy_(network.linear.weight)
    more.hidden.weight.copy_(torch.cat([network.hidden.weight, unit]))
    more.hidden.bias.copy_(torch.cat([network.hidden.bias, 1 - network.mean[[TAKEN]] / ONCE]))
    more.out.weight.copy_(torch.cat([network.out.weight, torch.tensor([[added]])], dim=1))
    return more.eval()


def _of_new_items(scores: list[Floats], visitors: list[Example]) -> Lists:
    """The candidates new to their visitor, of visitors who took one of them."""
    lists = []
    for each, visitor in zip(scores, visitors, strict=True):
        new = visitor.features[:, IS_KNOWN] == 0
        if visitor.later[new].any():
            lists.append((each[new], visitor.later[new], visitor.features[new, TAKEN] <= 0))
    return lists


def _judged(lists: Lists, added: float) -> tuple[float, int, int]:
    """(mean NDCG@10, how many right ones are among the first FOUND_AMONG, how many of those are cold)."""
    discount = 1 / np.log2(np.arange(2, 12))
    ndcg, found, found_cold = 0.0, 0, 0
    for scores, right, is_cold in lists:
        first = np.argsort(-(scores + added * is_cold), kind="stable")[:FOUND_AMONG]
        hits = right[first]
        ndcg += (hits[:10] * discount[: len(hits)]).sum() / discount[: min(int(right.sum()), 10)].sum()
        found += int(hits.sum())
        found_cold += int((hits & is_cold[first]).sum())
    return ndcg / len(lists), found, found_cold
