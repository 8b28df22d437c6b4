"""The personal rung: history → visitor vector → candidates → ranking → reasons."""

import math

import numpy as np
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.dataset.ranking_features import OWN
from recommender.exceptions import NoLiveVersion
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.serving.candidates import retrieve
from recommender.serving.entries import Answer, take_available
from recommender.serving.history import read_history
from recommender.serving.query import Query
from recommender.serving.reasons import explain
from recommender.serving.scoring import score
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
        own, _facts = history.own()
        unwanted = query.unwanted | history.opinions.refused
        candidates = retrieve(
            version, vector, history.linked(), own, unwanted, toward=history.opinions.pulled(version, vector)
        )
        scored = score(version, history, vector, candidates)
        is_repeat = scored.owned[:, OWN.index("is_repeat")] > 0
        best = mix(np.argsort(-scored.scores, kind="stable").tolist(), is_repeat, conf.REPEAT_SHARE)
        shown = take_available([(candidates.item[row], float(scored.scores[row])) for row in best], query.n)
        return Answer(shown, explain(shown, scored, encoder.pool), version)


def mix(order: list[int], is_repeat: NDArray[np.bool_], repeat_share: float) -> list[int]:
    """The same rows, best first, with repeats held back where they would take more than their share of a list's top.

    A household's next basket is mostly what it always buys, and the ranker knows that; but a shelf of habits alone is
    what "buy again" is for, and could not answer to what the visitor just looked at.
    """
    repeats = [row for row in order if is_repeat[row]][::-1]
    discoveries = [row for row in order if not is_repeat[row]][::-1]
    rank = {row: place for place, row in enumerate(order)}
    mixed: list[int] = []
    used = 0
    while repeats and discoveries:
        allowed = used < math.ceil(repeat_share * (len(mixed) + 1))
        if allowed and rank[repeats[-1]] < rank[discoveries[-1]]:
            mixed.append(repeats.pop())
            used += 1
        else:
            mixed.append(discoveries.pop())
    return mixed + repeats[::-1] + discoveries[::-1]
