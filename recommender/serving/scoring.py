"""A visitor's candidates in numbers: features and scores, with all that they are made of."""

from dataclasses import dataclass
from typing import Any

from recommender.dataset.ranking_features import Floats, nothing_owned, rank_candidates, ranking_features
from recommender.index.nearest import Vector
from recommender.models import ModelVersion
from recommender.serving.candidates import Candidates
from recommender.serving.history import History


@dataclass(frozen=True, slots=True)
class Scored:
    """Row i of every array belongs to candidates.item[i].

    Attributes:
        vector: [dim] of the visitor. owned: [n, len(OWN)] what the visitor did with each.
        features: [n, len(FEATURES)]. said: [n] what the visitor's own words add to the ranker's score.
        scores: [n] both together, higher is better.
    """

    version: ModelVersion
    history: History
    vector: Vector
    candidates: Candidates
    owned: Floats
    features: Floats
    said: Floats
    scores: Floats


def score(version: ModelVersion, history: History, vector: Vector, candidates: Candidates) -> Scored:
    """The ranker's word on each candidate, and the visitor's."""
    owned = spread(candidates.item, *history.own)
    features = ranking_features(
        candidates.similarity,
        candidates.links,
        candidates.statistics,
        owned,
        history.visitor(),
        history.adoption(),
        version.ranker,
    )  # [n, features]
    ranked = rank_candidates(features, version.ranker)
    said = history.opinions.effect(version, candidates.vectors, ranked)
    return Scored(version, history, vector, candidates, owned, features, said, ranked + said)


def spread(items: list[Any], own: list[Any], facts: Floats) -> Floats:
    """[items, len(OWN)] what the visitor did with each of `items`, from the `facts` [own, len(OWN)] of its `own`."""
    place = {key: row for row, key in enumerate(own)}
    owned = nothing_owned(len(items))
    for row, key in enumerate(items):
        if key in place:
            owned[row] = facts[place[key]]
    return owned
