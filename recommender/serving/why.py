"""Why a list is as it is: the stages with their counts, and the full arithmetic of one item's score. For admin."""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from django.db import Error

from recommender.conf import conf
from recommender.dataset.ranking_features import FEATURES, GROUPS, OWN, contributions
from recommender.exceptions import RecommenderError
from recommender.index.nearest import NAMED, NEAREST, NEWCOMERS, NUMBERED, POPULAR, likeness
from recommender.index.publish import serving_version
from recommender.index.reading import reading
from recommender.models import ModelVersion
from recommender.serving.arms import arm_of
from recommender.serving.arrange import EPSILON
from recommender.serving.compose import left_out, repeat_share
from recommender.serving.page import Asked, Page
from recommender.serving.personal import scored_for
from recommender.serving.placements import FOR_YOU, placement_named
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend
from recommender.serving.removal import causes_of, exact_drops
from recommender.serving.rules import wishes_for
from recommender.serving.scoring import Scored
from recommender.serving.sources import STRATEGIES
from recommender.serving.visitor_vector import visitor_encoder

SOURCES: Final = {
    "nearest": NEAREST,
    "popular": POPULAR,
    "own": NAMED,
    "linked": NUMBERED,
    "newcomers": NEWCOMERS,
}
CAUSES: Final = 5  # items of the history that are named
NEIGHBOURS: Final = 6


@dataclass(frozen=True, slots=True)
class Stage:
    """name: "events", a source, "candidates", what removed some, "shown". wanted: None where nothing was asked for."""

    name: str
    count: int
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What one feature adds to a score. value: of the feature itself."""

    feature: str
    group: str
    value: float
    adds: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One item's score: the shares, `rest` and `said` sum to `score`.

    Attributes:
        rest: what the network adds where all features are usual. said: by the visitor's own words.
        parts: (name of a part, its weight, cosine) of visitor and item.
        causes: (key, how far the score falls without it), the strongest first, exact.
        neighbours: (key, cosine) of the candidates most like it.
    """

    item_id: Any
    score: float
    rest: float
    said: float
    shares: list[Share]
    parts: list[tuple[str, float, float]]
    causes: list[tuple[Any, float]]
    neighbours: list[tuple[Any, float]]


@dataclass(frozen=True, slots=True)
class Why:
    """found: the list as shown right now.

    Attributes:
        arithmetic: None where no ranker put the item here.
        kept_share: what repeats may take of every beginning of the list, where that put a lower score above a higher.
    """

    found: Recommendations
    took_ms: float
    stages: list[Stage] = field(default_factory=list)
    arithmetic: Arithmetic | None = None
    kept_share: float | None = None


def why(query: Query, item_id: Any = None) -> Why:
    """The list that this query gets now, and why.

    Args:
        item_id: whose score is taken apart; None takes the first of the list that has one.
    """
    page, placement = Page(), placement_named(query.placement)
    began = time.perf_counter()
    found = recommend(query, page, placement)
    took_ms = 1_000 * (time.perf_counter() - began)
    asked = Asked(query, placement, Page())
    scored = None
    arm = arm_of(query.visitor)
    if query.placement == FOR_YOU and (arm is None or arm.strategy not in STRATEGIES):
        scored = _scored(asked, arm.version if arm else None)
    if scored is None:
        return Why(found, took_ms, [Stage("shown", len(found.entries))])
    scoring = (entry.item.pk for entry in found.entries if entry.is_found)
    wanted = item_id if item_id is not None else next(scoring, None)
    has_score = wanted in scored.candidates.item
    return Why(
        found,
        took_ms,
        _stages(asked, scored, found),
        _arithmetic(scored, wanted) if has_score else None,
        _kept_share(asked, scored, found),
    )


def _scored(asked: Asked, version: ModelVersion | None) -> Scored | None:
    try:
        with serving_version(version), reading(conf.BUDGET_MS, neighbours=conf.CANDIDATES):
            return scored_for(asked)
    except (RecommenderError, Error):
        return None  # the rung of the list says it already


def _stages(asked: Asked, scored: Scored, found: Recommendations) -> list[Stage]:
    history, candidates = scored.history, scored.candidates
    keys = set(candidates.item)
    ruled_out = wishes_for(asked.placement).excluded
    return [
        Stage("events", len(history)),
        Stage("items", len(set(history.item.tolist()))),
        Stage("vectors", int(history.has_vector.sum())),
        *(
            Stage(name, candidates.found.get(source, 0), candidates.wanted.get(source, 0))
            for name, source in SOURCES.items()
        ),
        Stage("candidates", len(keys)),
        Stage("refused", len(history.opinions.refused)),
        Stage("left_out", len(keys & (left_out(asked) | asked.unwanted))),
        Stage("ruled_out", len(keys & ruled_out)),
        Stage("shown", len(found.entries), asked.query.n),
    ]


def _kept_share(asked: Asked, scored: Scored, found: Recommendations) -> float | None:
    """The bound on repeats, where it held one back that scores more than what stands above it."""
    share, used = repeat_share(asked), 0
    bought = scored.owned[:, OWN.index("is_repeat")] > 0
    repeats = dict(zip(scored.candidates.item, bought.tolist(), strict=True))
    shown = [(repeats.get(entry.item.pk, False), entry.score) for entry in found.entries if entry.is_found]
    for slot, (is_repeat, score) in enumerate(shown, 1):
        is_full = used >= math.ceil(share * slot - EPSILON)
        if not is_repeat and is_full and any(again and higher > score for again, higher in shown[slot:]):
            return share
        used += is_repeat
    return None


def _arithmetic(scored: Scored, item_id: Any) -> Arithmetic:
    row = scored.candidates.item.index(item_id)
    adds, rest = contributions(scored.features[[row]], scored.version.ranker)
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    shares = [
        Share(name, group_of[name], float(value), float(add))
        for name, value, add in zip(FEATURES, scored.features[row], adds[0], strict=True)
    ]
    drops = exact_drops(scored, np.array([row]), visitor_encoder(scored.version))[:, 0]
    causes = sorted(zip(causes_of(scored.history), drops.tolist(), strict=True), key=lambda pair: -pair[1])
    cosines = dict(zip(FEATURES, scored.features[row].tolist(), strict=True))
    return Arithmetic(
        item_id,
        float(scored.scores[row]),
        float(rest[0]),
        float(scored.said[row]),
        sorted(shares, key=lambda share: -abs(share.adds)),
        [
            (part["name"], part["weight"], cosines[f"{part['name']}_similarity"])
            for part in scored.version.parts
            if f"{part['name']}_similarity" in cosines
        ],
        [pair for pair in causes[:CAUSES] if pair[1] > 0],
        _neighbours(scored, row),
    )


def _neighbours(scored: Scored, row: int) -> list[tuple[Any, float]]:
    alike = likeness(scored.version, scored.candidates.vectors)
    cosine = alike @ alike[row]
    cosine[row] = -1.0
    best = np.argsort(-cosine, kind="stable")[: min(NEIGHBOURS, len(cosine) - 1)]
    return [(scored.candidates.item[place], float(cosine[place])) for place in best]
