"""The personal rung: history → visitor vector → candidates → ranking → reasons."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender.conf import conf
from recommender.dataset.ranking_features import Floats, rank_candidates, ranking_features
from recommender.exceptions import NoLiveVersion
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import ModelVersion
from recommender.serving.candidates import Candidates, retrieve
from recommender.serving.entries import Answer, take_available
from recommender.serving.history import read_history
from recommender.serving.query import Query
from recommender.serving.reasons import explain
from recommender.serving.visitor_vector import visitor_encoder


def recommended_for_you(query: Query) -> Answer:
    """Items ranked for this visitor; empty for a visitor without an event on an item that the version knows.

    Raises:
        NoLiveVersion, ArtifactCorrupt, DatabaseError: the next rung answers.
    """
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    if query.visitor is None:
        return Answer()
    encoder = visitor_encoder(version)
    with reading(conf.BUDGET_MS, neighbours=conf.CANDIDATES):
        history = read_history(query.visitor, version, encoder.max_length)
        vector = encoder.encode(history)
        if vector is None:
            return Answer()
        own_long, own_short = history.decayed_purchases()
        candidates = retrieve(version, vector, own_long.keys(), query.unwanted)
        scores = score(candidates, own_long, own_short, version)
        best = np.argsort(-scores, kind="stable")
        shown = take_available([(candidates.item[row], float(scores[row])) for row in best], query.n, version)
        return Answer(shown, explain(shown, history, version), version)


def score(
    candidates: Candidates, own_long: Mapping[Any, float], own_short: Mapping[Any, float], version: ModelVersion
) -> Floats:
    """[n] float32: the version's own ranker on what is known of each candidate."""
    columns = [np.array([own.get(key, 0.0) for key in candidates.item], np.float32) for own in (own_long, own_short)]
    features = ranking_features(candidates.similarity, candidates.popularity, *columns)  # [n, features]
    return rank_candidates(features, version.ranker)
