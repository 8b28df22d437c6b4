"""What a version would have shown at a moment of the past: for the estimate of a version that nobody has seen."""

from copy import copy
from datetime import datetime

from recommender.conf import conf
from recommender.index.publish import serving_version
from recommender.index.reading import reading
from recommender.models import ModelVersion, Visitor
from recommender.serving.compose import compose
from recommender.serving.entries import Found
from recommender.serving.page import Asked, Page
from recommender.serving.placements import FOR_YOU, placement_named
from recommender.serving.query import Query
from recommender.serving.sources import FINDERS


def list_as_of(version: ModelVersion, visitor: Visitor, n: int, until: datetime) -> list[str]:
    """Keys as text of the visitor's "for you" list of `n` slots, without trials, from what was done until then.

    What is available, the rules and the placement are those of today; other lists of that page are not known any more.

    Raises:
        RecommenderError, DatabaseError: the list cannot be made.
    """
    placement = copy(placement_named(FOR_YOU))
    placement.exploration_share = 0.0
    asked = Asked(Query(FOR_YOU, visitor, n), placement, Page(until=until))
    with serving_version(version), reading(neighbours=conf.CANDIDATES):
        found = Found()
        for finder in (FINDERS[name] for name in placement.sources):
            if finder.can_answer(asked):
                found = found.followed_by(finder.find(asked))
        return [str(shown.item.pk) for shown in compose(asked, found).shown]
