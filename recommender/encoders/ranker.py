"""Fits the ranker: a small network over `ranking_features` that puts what visitors did next on top."""

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.dataset.networks import LIMIT
from recommender.dataset.ranking_features import FEATURES

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Example:
    """One visitor's candidates, and which of them were right.

    Attributes:
        features: [candidates, features]. first: [candidates] taken next. later: [candidates] taken at all from then on.
    """

    features: Floats
    first: Booleans
    later: Booleans


# Weights of the start, per standard deviation: what is bought again first, then similarity.
START = {"similarity": 0.3, "own_120": 3.0}
START_WITH_HABITS = {"similarity": 0.3, "habit": 3.0}
IS_KNOWN, HABIT = FEATURES.index("is_known"), FEATURES.index("habit")
MIN_VISITORS = 10
SILENT = 1e9  # a scale that makes a feature say nothing


@dataclass(frozen=True, slots=True)
class RankerSettings:
    hidden: int = 32
    steps: int = 300
    batch: int = 128  # visitors a step
    dropout: float = 0.1
    learning_rate: float = 0.01
    weight_decay: float = 1e-2
    weight_decays: tuple[float, ...] = (1e-2, 0.3)  # tried on one half of the visitors
    new_weight: float = 1.0  # of the loss among items new to the visitor, beside the loss among all


class Ranker(nn.Module):
    """Linear plus one hidden layer; `Network` computes the same with numpy."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, settings: RankerSettings) -> None:
        super().__init__()
        self.linear = nn.Linear(len(mean), 1, bias=False)
        self.hidden, self.out = nn.Linear(len(mean), settings.hidden), nn.Linear(settings.hidden, 1, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, features: Tensor) -> Tensor:
        """[rows, features] → [rows]."""
        x = ((features - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        return (self.linear(x) + self.out(self.dropout(self.hidden(x).relu())))[:, 0]

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
    examples: list[Example],
    settings: RankerSettings = RankerSettings(),
    seed: int = 0,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """Parameters for `rank_candidates` that maximise the listwise likelihood of what was right: of what each visitor
    took first among all candidates, and of what each took later among the candidates new to the visitor.

    The start is a fair ranker already: habits, or own purchases where they tell more, and then similarity. It stays
    unless learning on one half of the visitors improves the lists of the other half by more than twice the standard
    error: a shop with few visitors must not learn them by heart. The first half also chooses the weight decay.

    Args:
        examples: those without anything right are left out. With few left the answer is empty: similarity decides.
        without: names of features that say nothing.
    Source: ListNet's top-one cross-entropy, Cao et al., ICML 2007.
    """
    usable = [example for example in examples if example.first.any() or example.later.any()]
    if len(usable) < MIN_VISITORS:
        return {}
    torch.manual_seed(seed)
    start = _better_start(usable, settings, without)
    loss = partial(_loss, new_weight=settings.new_weight)
    halves = usable[::2], usable[1::2]

    def gain(tried: RankerSettings, learnt: list[Example], asked: list[Example]) -> NDArray[np.float64]:
        """[asked] by how much each list is better than the start's."""
        before = _start(learnt, tried, start, without)
        after = learned(copy.deepcopy(before), learnt, tried, seed, loss)
        return _quality(after, asked) - _quality(before, asked)

    tries = [replace(settings, weight_decay=decay) for decay in settings.weight_decays]
    gains = [gain(tried, *halves) for tried in tries]
    best = max(range(len(tries)), key=lambda place: float(gains[place].mean()))
    both = np.concatenate([gains[best], gain(tries[best], *halves[::-1])])
    model = _start(usable, settings, start, without)
    found = {"start": model.linear.weight[0].tolist()}
    if both.mean() > 2 * both.std() / np.sqrt(len(both)):
        model = learned(model, usable, tries[best], seed, loss)
    return model.as_json() | found


def start_of(ranker: dict[str, Any]) -> dict[str, Any]:
    """The same ranker before it learned anything; {} of an empty one."""
    return ranker and ranker | {"linear": ranker["start"], "out": [0.0] * len(ranker["out"])}


def _better_start(visitors: list[Example], settings: RankerSettings, without: Collection[str]) -> dict[str, float]:
    """The weights that put more of what was right on top; habits have to be known."""
    has_habits = any(example.features[:, HABIT].any() for example in visitors)
    starts = [START, START_WITH_HABITS] if has_habits and "habit" not in without else [START]
    return max(starts, key=lambda start: float(_quality(_start(visitors, settings, start, without), visitors).mean()))


def _start(
    visitors: list[Example], settings: RankerSettings, start: dict[str, float], without: Collection[str]
) -> Ranker:
    model = fresh(visitors, settings)
    model.scale[torch.tensor([name in without for name in FEATURES])] = SILENT
    with torch.no_grad():
        for name, weight in start.items():
            model.linear.weight[0, FEATURES.index(name)] = weight
    return model


def fresh(visitors: list[Example], settings: RankerSettings) -> Ranker:
    """A network for these features that knows nothing yet."""
    rows = torch.from_numpy(np.concatenate([example.features for example in visitors]))  # [rows, features]
    scale = rows.std(dim=0)
    # What never varied in training (a shop without prices, without clicks) must say nothing when it first does.
    scale = torch.where(scale <= 1e-4, torch.full_like(scale, SILENT), scale)
    return Ranker(rows.mean(dim=0), scale, settings)


def learned(
    model: Ranker,
    visitors: list[Example],
    settings: RankerSettings,
    seed: int,
    loss_of: Callable[[Ranker, list[Example]], Tensor],
) -> Ranker:
    """The model after `settings.steps` steps of `loss_of` it and `settings.batch` visitors."""
    rng = np.random.default_rng(seed)
    parameters = model.parameters()
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps + 1)
    model.train()
    for _ in range(settings.steps):
        chosen = rng.permutation(len(visitors))[: settings.batch]
        loss = loss_of(model, [visitors[number] for number in chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def packed(visitors: list[Example]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """([rows, features], [rows] first, [rows] later, [rows] number of the visitor) of all their candidates."""
    rows = torch.from_numpy(np.concatenate([example.features for example in visitors]))
    first = torch.from_numpy(np.concatenate([example.first for example in visitors]))
    later = torch.from_numpy(np.concatenate([example.later for example in visitors]))
    owner = torch.from_numpy(np.repeat(np.arange(len(visitors)), [len(example.first) for example in visitors]))
    return rows, first, later, owner


def _loss(model: Ranker, visitors: list[Example], new_weight: float) -> Tensor:
    rows, first, later, owner = packed(visitors)
    scores = model(rows)
    new = rows[:, IS_KNOWN] == 0
    among_new = cross_entropy(scores[new], later[new], owner[new], len(visitors))
    return cross_entropy(scores, first, owner, len(visitors)) + new_weight * among_new


def cross_entropy(scores: Tensor, relevant: Tensor, owner: Tensor, owners: int) -> Tensor:
    """Mean over owners with something relevant of -log softmax within the owner's rows, over its relevant rows."""
    count = torch.zeros(owners).index_add(0, owner, relevant.float())
    losses = -_log_softmax(scores, owner, owners)[relevant] / count[owner[relevant]]
    return losses.sum() / (count > 0).sum().clamp(min=1)


@torch.no_grad()
def _quality(model: Ranker, visitors: list[Example]) -> NDArray[np.float64]:
    """[visitors] NDCG@10 of each one's candidates: the mean of both questions that have an answer."""
    gains = []
    for example in visitors:
        scores = model.eval()(torch.from_numpy(example.features)).numpy()
        new = example.features[:, IS_KNOWN] == 0
        questions = [(scores, example.first), (scores[new], example.later[new])]
        gains.append(float(np.mean([_ndcg(*question) for question in questions if question[1].any()] or [0.0])))
    return np.array(gains)


def _ndcg(scores: Floats, right: Booleans) -> float:
    discount = 1 / np.log2(np.arange(2, 12))
    best = np.argsort(-scores, kind="stable")[:10]
    return float((right[best] * discount[: len(best)]).sum() / discount[: min(int(right.sum()), 10)].sum())


def _log_softmax(scores: Tensor, owner: Tensor, owners: int) -> Tensor:
    """[rows] log-softmax within each owner's rows."""
    peak = torch.full((owners,), -torch.inf).scatter_reduce(0, owner, scores.detach(), "amax")
    shifted = scores - peak[owner]
    mass = torch.zeros(owners).index_add(0, owner, shifted.exp())
    return shifted - mass.log()[owner]
