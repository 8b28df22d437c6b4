"""Fits the network of habits: what a visitor buys again next, among all that it bought before."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recommender.dataset.habits import HabitExample
from recommender.encoders.listwise import Example, NetworkSettings, Ranker, cross_entropy, learned, packed

SETTINGS: Final = NetworkSettings(hidden=64, steps=1_500, batch=128, dropout=0.0, weight_decay=1e-4)
MIN_EXAMPLES: Final = 200
LEAST_SHARE: Final = 0.1  # of what was bought, the least likely: no habit


def fit_habits(examples: list[HabitExample], seed: int = 0, steps: int = SETTINGS.steps) -> dict[str, Any]:
    """Parameters for `habit`, by the listwise likelihood of what was bought again; {} where too few visitors rebuy.

    As for the ranker the loss is ListNet's. What a list at a past moment would have shown needs no encoder of that
    time: purchases tell all.
    """
    if len(examples) < MIN_EXAMPLES:
        return {}
    torch.manual_seed(seed)
    visitors = [Example(each.inputs, each.again, each.again) for each in examples]
    model = learned(Ranker.of(visitors, SETTINGS), visitors, replace(SETTINGS, steps=steps), seed, _loss)
    network = model.as_json()
    scores = np.concatenate([model.scores(each.inputs) for each in examples])
    return network | {"least": float(np.quantile(scores, LEAST_SHARE))}


def _loss(model: Ranker, visitors: list[Example]) -> Tensor:
    rows, again, _, owner = packed(visitors)
    return cross_entropy(model(rows), again, owner, len(visitors))
