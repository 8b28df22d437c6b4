"""The personal sources: history → visitor vector → candidates → ranking."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.dataset.ranking_features import OWN
from recommender.exceptions import NoLiveVersion, StillLoading
from recommender.index.nearest import Vector
from recommender.index.publish import live_version, may_be_served
from recommender.index.version_files import cold_items, ease_links
from recommender.models import ModelVersion, Visitor
from recommender.serving.candidates import retrieve
from recommender.serving.entries import Found
from recommender.serving.history import History
from recommender.serving.page import Asked, Page
from recommender.serving.popular import newest_items
from recommender.serving.reasons import ByScore
from recommender.serving.scoring import Scored, score
from recommender.serving.visitor_vector import Pool, visitor_encoder


@dataclass(frozen=True, slots=True)
class Taste:
    """What a page reads of its visitor once. vector: [dim] what the visitor is after, unit norm."""

    version: ModelVersion
    history: History
    vector: Vector
    pool: Pool | None


def recommended_for_you(asked: Asked) -> Found:
    """Ranked for this visitor; nothing for one who neither did anything with an item that the version knows, nor asked
    for more like one.

    Raises:
        NoLiveVersion, ArtifactCorrupt, DatabaseError: the next source answers.
    """
    taste = _taste(asked)
    if taste is None:
        return Found()
    key = ("ranked", taste.version.pk, asked.placement.within_id, asked.query.unwanted)
    return asked.page.once(key, lambda: _ranked(taste, asked))


def new_for_you(asked: Asked) -> Found:
    """The newest items, ranked for this visitor; items that the version does not know yet are left to other lists.

    Raises:
        as `recommended_for_you`.
    """
    taste = _taste(asked)
    newest = [key for key, _score in newest_items(asked.placement.within)]
    return Found() if taste is None or not newest else _ranked(taste, asked, only=newest)


def _taste(asked: Asked) -> Taste | None:
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    visitor = asked.query.visitor
    if visitor is None:
        return None
    if not may_be_served(version):
        raise StillLoading(StillLoading.__doc__)
    return asked.page.once(("taste", version.pk, visitor.pk), lambda: _read_taste(version, visitor, asked.page))


def _read_taste(version: ModelVersion, visitor: Visitor, page: Page) -> Taste | None:
    encoder = visitor_encoder(version)
    history = page.history(visitor, version, encoder.max_length)
    vector = encoder.encode(history)
    return None if vector is None else Taste(version, history, vector, encoder.pool)


def scored_for(asked: Asked) -> Scored | None:
    """The candidates of `recommended_for_you` with all that their order is made of; None where it has nothing.

    Raises:
        as `recommended_for_you`.
    """
    taste = _taste(asked)
    return None if taste is None else _scored(taste, asked)


def _scored(taste: Taste, asked: Asked, only: list[Any] | None = None) -> Scored:
    version, history, vector = taste.version, taste.history, taste.vector
    candidates = retrieve(
        version,
        vector,
        history.linked(ease_links(version)),
        history.strongest_own(),
        asked.query.unwanted | history.opinions.refused,
        cold=cold_items(version),
        toward=history.opinions.pulled(version, vector),
        within=asked.placement.within,
        only=only,
    )
    return score(version, history, vector, candidates)


def _ranked(taste: Taste, asked: Asked, only: list[Any] | None = None) -> Found:
    """The ranker's order. `only`: of these items, else of all that retrieval finds."""
    scored = _scored(taste, asked, only)
    candidates, version = scored.candidates, scored.version
    order = np.argsort(-scored.scores, kind="stable")
    return Found(
        keys=[candidates.item[row] for row in order],
        scores=scored.scores[order],
        version=version,
        vectors=candidates.vectors[order],
        is_repeat=scored.owned[order, OWN.index("is_repeat")] > 0,
        reasons=ByScore(scored, taste.pool),
    )
