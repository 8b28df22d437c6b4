"""The door to every list: try one rung after the other; a page never sees an exception of ours."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from django.db import Error

from recommender.conf import conf
from recommender.exceptions import NoLiveVersion, RecommenderError
from recommender.index.publish import serving_version
from recommender.index.reading import reading
from recommender.models import Arm
from recommender.serving.arms import ServedArm, arm_of
from recommender.serving.classic import content_only, item_knn
from recommender.serving.entries import Answer
from recommender.serving.impressions import impression_token
from recommender.serving.lists import bought_together, buy_again, popular_now, recently_viewed, similar_items
from recommender.serving.opinions import refused_items
from recommender.serving.personal import recommended_for_you
from recommender.serving.query import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    FOR_YOU,
    ITEM,
    NOTHING,
    PERSONAL,
    POPULAR,
    RECENTLY_VIEWED,
    SIMILAR_ITEMS,
    Entry,
    Query,
    Recommendations,
)

logger = logging.getLogger(__name__)

Rung = tuple[str, Callable[[Query], Answer]]

# Only "for you" steps down to what is popular: under the other titles it would be a lie.
LADDERS: Final[dict[str, tuple[Rung, ...]]] = {
    FOR_YOU: ((PERSONAL, recommended_for_you), (POPULAR, popular_now)),
    SIMILAR_ITEMS: ((ITEM, similar_items),),
    BOUGHT_TOGETHER: ((ITEM, bought_together),),
    RECENTLY_VIEWED: ((PERSONAL, recently_viewed),),
    BUY_AGAIN: ((PERSONAL, buy_again),),
}
# What an arm of an experiment shows instead of the personal list.
STRATEGIES: Final[dict[str, Rung]] = {
    Arm.Strategy.POPULAR: (POPULAR, popular_now),
    Arm.Strategy.ITEM_KNN: (PERSONAL, item_knn),
    Arm.Strategy.CONTENT: (PERSONAL, content_only),
    Arm.Strategy.HABITS: (PERSONAL, buy_again),
}


def recommend(query: Query) -> Recommendations:
    """The list of the first rung that has one; an empty one from the rung "nothing" where none has.

    Errors of the database and of the plugin are logged and lead one rung down. Each read is cut off after
    RECOMMENDER_BUDGET_MS; bugs of the shop's own `available()` are not hidden.
    """
    arm = arm_of(query.visitor)
    with serving_version(arm.version if arm else None):
        return _first_answer(query, _ladder(query.placement, arm))


def _ladder(placement: str, arm: ServedArm | None) -> tuple[Rung, ...]:
    """An arm with a strategy of its own has it on the first rung of "for you"."""
    ladder = LADDERS[placement]
    if arm is None or placement != FOR_YOU or arm.strategy not in STRATEGIES:
        return ladder
    return STRATEGIES[arm.strategy], ladder[-1]


def _first_answer(query: Query, ladder: tuple[Rung, ...]) -> Recommendations:
    for rung, answer in ladder:
        try:
            found = answer(query if answer is recommended_for_you else _without_refused(query))
        except NoLiveVersion:
            continue  # a new shop, not a fault: the admin page says so
        except (RecommenderError, Error):
            logger.warning("The %s rung of %s failed; stepping down.", rung, query.placement, exc_info=True)
            continue
        if found.shown:
            return _recommendations(query, rung, found)
    return Recommendations(query.placement, (), NOTHING, None, "")


def _without_refused(query: Query) -> Query:
    """The same question without what the visitor does not want to see; the personal list knows that itself."""
    with reading(conf.BUDGET_MS):
        return replace(query, exclude=query.exclude | refused_items(query.visitor))


def _recommendations(query: Query, rung: str, found: Answer) -> Recommendations:
    reasons = found.reasons or [""] * len(found.shown)
    entries = tuple(
        Entry(shown.item, shown.score, reason, slot)
        for slot, (shown, reason) in enumerate(zip(found.shown, reasons, strict=True), start=1)
    )
    version_id = found.version.pk if found.version else None
    return Recommendations(
        query.placement, entries, rung, version_id, impression_token(query, rung, version_id, entries)
    )
