"""Classic recommenders, really served: what an experiment compares with, from what a version knows of the items."""

from typing import Any, Final

import numpy as np

from recommender.dataset.ranking_features import LINKS
from recommender.exceptions import NoLiveVersion
from recommender.index.nearest import compare
from recommender.index.publish import live_version
from recommender.models import ModelVersion
from recommender.serving.entries import Found
from recommender.serving.page import Asked

CONSIDERED: Final = 400  # best linked items that are looked up; the longest list and what is sold out
WINDOW: Final = "lately"  # all of the newest items count, older ones less


def item_knn(asked: Asked) -> Found:
    """What others took with, or soon after, the visitor's newest items: the sum of the items' co-occurrences.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    return _linked(asked, "follow")


def content_only(asked: Asked) -> Found:
    """What has words and attributes in common with the visitor's newest items: the sum of the items' likenesses.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    return _linked(asked, "content")


def _linked(asked: Asked, relation: str) -> Found:
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    if asked.query.visitor is None:
        return Found()
    linked = asked.page.history(asked.query.visitor, version, with_vector=1).linked()
    if not len(linked.rows):
        return Found()
    strength = linked.strengths[:, LINKS.index(f"{relation}_{WINDOW}")]
    best = np.argsort(-strength, kind="stable")[:CONSIDERED]
    score = {int(linked.rows[place]): float(strength[place]) for place in best if strength[place] > 0}
    scored = [(item, score[row]) for item, row in _named(version, list(score), asked)]
    scored.sort(key=lambda pair: -pair[1])
    return Found.of(scored, version)


def _named(version: ModelVersion, rows: list[int], asked: Asked) -> list[tuple[Any, int]]:
    """(item key, row) of the available items among the version's `rows`."""
    nowhere = np.zeros(version.dim, dtype=np.float32)  # nothing is compared: the rows are named
    found = compare(
        version, nowhere, nearest=0, numbered=rows, exclude=asked.query.unwanted, within=asked.placement.within
    )
    return [(row.item_id, row.row) for row in found]
