"""Fits the ranker: small networks over `ranking_features` that put what visitors did next on top.

It starts as a fair ranker: habits or own purchases, whichever tells more, and similarity. Networks that each leave
a part of the visitors out learn from there, and what they say of the visitors left out tells whether learning helped,
with which weight decay, where discoveries belong among habits, and how much more items that nobody has taken yet should
count. Their mean is the ranker.

Habits are learned from many moments, the ranker from one; so where habits are known, they alone order what a visitor
bought before, and the networks learn the rest.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recommender.dataset.ranking_features import FEATURES
from recommender.encoders.listwise import (
    SILENT,
    Booleans,
    Example,
    Floats,
    NetworkSettings,
    Ranker,
    averaged,
    cross_entropy,
    learned,
    packed,
)
from recommender.encoders.optimism import lifted, optimism

# Weights of the start, per standard deviation: what is bought again first, where people do that, then similarity.
SIMILARITY: Final = {"similarity": 0.3}
OWN_PURCHASES: Final = SIMILARITY | {"own_120": 3.0}
HABITS: Final = SIMILARITY | {"habit": 3.0}
IS_KNOWN, IS_REPEAT, HABIT = (FEATURES.index(name) for name in ("is_known", "is_repeat", "habit"))
MIN_VISITORS: Final = 10
SETTINGS: Final = NetworkSettings(hidden=32, steps=300, batch=64, dropout=0.1, weight_decay=1e-2)
WEIGHT_DECAYS: Final = (1e-2, 0.3, 3.0)  # tried on the first part of the visitors
PARTS: Final = 8  # of the visitors, each left out by one network
AHEAD: Final = (0.0, 2.0, 4.0, 8.0, -2.0, -4.0, -8.0)  # tried: what is added to the scores of habits
NEW_WEIGHT: Final = 1.0  # of the loss among items new to the visitor, beside the loss among all


def fit_ranker(
    examples: list[Example], seed: int = 0, without: Collection[str] = (), cold_item_cost: float = 0.05
) -> dict[str, Any]:
    """Parameters for `rank_candidates` that maximise the listwise likelihood of what was right: of what each visitor
    took first among all candidates, and of what each took later among the candidates new to the visitor.

    The start stays unless the lists of visitors left out improve by more than the standard error: a shop with few
    visitors must not learn them by heart.

    Args:
        examples: those without anything right are left out. With few left the answer is empty: similarity decides.
        without: names of features that say nothing.
        cold_item_cost: share of NDCG@10 among items new to the visitor that may be given for cold items, which nobody
            has taken yet, see `optimism`.
    """
    usable = [example for example in examples if example.first.any() or example.later.any()]
    if len(usable) < MIN_VISITORS:
        return {}
    torch.manual_seed(seed)
    start, has_habits = _better_start(usable, without)
    asked = [example.where(~bought(example)) for example in usable] if has_habits else usable
    networks = _networks(start, asked, seed)
    scores = [networks[place % PARTS].scores(example.features) for place, example in enumerate(usable)]
    before = [start.scores(example.features) for example in usable]
    found: dict[str, Any] = {"start": start.linear.weight[0].tolist()}
    if has_habits:
        ahead, scores = _joined(before, scores, usable)
        found["again"] = _moved(start, ahead).as_json()
    gain = np.array([_quality(*pair) for pair in zip(scores, usable, strict=True)])
    gain -= np.array([_quality(*pair) for pair in zip(before, usable, strict=True)])
    if gain.mean() > gain.std() / np.sqrt(len(gain)):
        return lifted(averaged(networks), optimism(scores, usable, cold_item_cost)).as_json() | found
    return start_of(start.as_json() | found)


def start_of(ranker: dict[str, Any]) -> dict[str, Any]:
    """The same ranker before it learned anything; {} of an empty one."""
    kept = {name: value for name, value in ranker.items() if name != "again"}
    return kept and kept | {"linear": ranker["start"], "out": [0.0] * len(ranker["out"])}


def bought(example: Example) -> Booleans:
    """[candidates] that the visitor bought before."""
    return np.asarray(example.features[:, IS_REPEAT] > 0)


def _better_start(visitors: list[Example], without: Collection[str]) -> tuple[Ranker, bool]:
    """(the start that puts more of what was right on top, whether it is the one with habits); they have to be known."""
    has_habits = any(example.features[:, HABIT].any() for example in visitors)
    starts = [SIMILARITY, OWN_PURCHASES, *([HABITS] if has_habits and "habit" not in without else [])]
    rankers = [_start(visitors, weights, without) for weights in starts]
    qualities = [np.mean([_quality(ranker.scores(each.features), each) for each in visitors]) for ranker in rankers]
    best = int(np.argmax(qualities))
    return rankers[best], starts[best] is HABITS


def _start(visitors: list[Example], weights: dict[str, float], without: Collection[str]) -> Ranker:
    ranker = Ranker.of(visitors, SETTINGS)
    ranker.scale[torch.tensor([name in without for name in FEATURES])] = SILENT
    with torch.no_grad():
        for name, weight in weights.items():
            ranker.linear.weight[0, FEATURES.index(name)] = weight
    return ranker


def _networks(start: Ranker, visitors: list[Example], seed: int) -> list[Ranker]:
    """[PARTS] networks; number n has not seen the visitors n, n + PARTS, n + 2 PARTS…

    All with the weight decay that did more for the visitors that number 0 has not seen.
    """
    tries = [replace(SETTINGS, weight_decay=decay) for decay in WEIGHT_DECAYS]
    firsts = [_network(start, visitors, 0, tried, seed) for tried in tries]
    qualities = [np.mean([_quality(each.scores(one.features), one) for one in visitors[::PARTS]]) for each in firsts]
    best = int(np.argmax(qualities))
    return [firsts[best], *(_network(start, visitors, part, tries[best], seed) for part in range(1, PARTS))]


def _network(start: Ranker, visitors: list[Example], left_out: int, settings: NetworkSettings, seed: int) -> Ranker:
    torch.manual_seed(seed + left_out)
    network = Ranker(start.mean, start.scale, settings.hidden, settings.dropout)
    with torch.no_grad():
        network.linear.weight.copy_(start.linear.weight)
    others = [each for place, each in enumerate(visitors) if place % PARTS != left_out]
    return learned(network, others, settings, seed + left_out, _loss)


def _loss(model: Ranker, visitors: list[Example]) -> Tensor:
    rows, first, later, owner = packed(visitors)
    scores = model(rows)
    new = rows[:, IS_KNOWN] == 0
    among_new = cross_entropy(scores[new], later[new], owner[new], len(visitors))
    return cross_entropy(scores, first, owner, len(visitors)) + NEW_WEIGHT * among_new


def _joined(habits: list[Floats], rest: list[Floats], visitors: list[Example]) -> tuple[float, list[Floats]]:
    """(what to add to the scores of habits so that what was taken first is on top, scores [candidates] a visitor)."""

    def joined(ahead: float) -> list[Floats]:
        each = zip(habits, rest, visitors, strict=True)
        return [np.where(bought(visitor), again + ahead, other) for again, other, visitor in each]

    def quality(ahead: float) -> float:
        return float(np.mean([_ndcg(*pair) for pair in zip(joined(ahead), firsts, strict=True)]))

    firsts = [visitor.first for visitor in visitors]
    best = max(AHEAD, key=quality)
    return best, joined(best)


@torch.no_grad()
def _moved(start: Ranker, by: float) -> Ranker:
    """Linear as the start, with `by` added to every score: by a hidden unit that is always open."""
    moved = Ranker(start.mean, start.scale, hidden=1)
    moved.linear.weight.copy_(start.linear.weight)
    moved.hidden.weight.zero_()
    moved.hidden.bias.fill_(1.0)
    moved.out.weight.fill_(by)
    return moved


def _quality(scores: Floats, visitor: Example) -> float:
    """NDCG@10 of the visitor's candidates: the mean of both questions that have an answer."""
    new = visitor.features[:, IS_KNOWN] == 0
    questions = [(scores, visitor.first), (scores[new], visitor.later[new])]
    return float(np.mean([_ndcg(*question) for question in questions if question[1].any()] or [0.0]))


def _ndcg(scores: Floats, right: Booleans) -> float:
    """0 where nothing is right."""
    if not right.any():
        return 0.0
    discount = 1 / np.log2(np.arange(2, 12))
    best = np.argsort(-scores, kind="stable")[:10]
    return float((right[best] * discount[: len(best)]).sum() / discount[: min(int(right.sum()), 10)].sum())
