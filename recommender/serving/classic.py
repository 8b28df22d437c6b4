"""Classic recommenders, really served: what an experiment compares with, from what a version knows of the items."""

from typing import Any, Final

import numpy as np

from recommender.conf import conf
from recommender.dataset.ranking_features import LINKS
from recommender.exceptions import NoLiveVersion
from recommender.index.nearest import compare
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import ModelVersion
from recommender.serving.entries import Answer, take_available
from recommender.serving.history import read_history
from recommender.serving.query import Query

CONSIDERED: Final = 400  # best linked items that are looked up; the longest list and what is sold out
WINDOW: Final = "lately"  # all of the newest items count, older ones less


def item_knn(query: Query) -> Answer:
    """What others took with, or soon after, the visitor's newest items: the sum of the items' co-occurrences.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    return _linked(query, "follow")


def content_only(query: Query) -> Answer:
    """What has words and attributes in common with the visitor's newest items: the sum of the items' likenesses.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    return _linked(query, "content")


def _linked(query: Query, relation: str) -> Answer:
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    if query.visitor is None:
        return Answer()
    with reading(conf.BUDGET_MS):
        linked = read_history(query.visitor, version, with_vector=1).linked()
        if not len(linked.rows):
            return Answer()
        strength = linked.strengths[:, LINKS.index(f"{relation}_{WINDOW}")]
        best = np.argsort(-strength, kind="stable")[:CONSIDERED]
        score = {int(linked.rows[place]): float(strength[place]) for place in best if strength[place] > 0}
        scored = [(item, score[row]) for item, row in _named(version, list(score), query)]
        scored.sort(key=lambda pair: -pair[1])
        return Answer(take_available(scored, query.n), version=version)


def _named(version: ModelVersion, rows: list[int], query: Query) -> list[tuple[Any, int]]:
    """(item key, row) of the available items among the version's `rows`."""
    nowhere = np.zeros(version.dim, dtype=np.float32)  # nothing is compared: the rows are named
    found = compare(version, nowhere, nearest=0, numbered=rows, exclude=query.unwanted)
    return [(row.item_id, row.row) for row in found]
