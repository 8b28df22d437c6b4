"""The door to every list: try one rung after the other; a page never sees an exception of ours."""

import logging
from collections.abc import Callable
from typing import Final

from django.db import Error

from recommender.exceptions import NoLiveVersion, RecommenderError
from recommender.serving.entries import Answer
from recommender.serving.impressions import impression_token
from recommender.serving.lists import bought_together, buy_again, popular_now, recently_viewed, similar_items
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


def recommend(query: Query) -> Recommendations:
    """The list of the first rung that has one; an empty one from the rung "nothing" where none has.

    Errors of the database and of the plugin are logged and lead one rung down. Each read is cut off after
    RECOMMENDER_BUDGET_MS; bugs of the shop's own `available()` are not hidden.
    """
    for rung, answer in LADDERS[query.placement]:
        try:
            found = answer(query)
        except NoLiveVersion:
            continue  # a new shop, not a fault: the admin page says so
        except (RecommenderError, Error):
            logger.warning("The %s rung of %s failed; stepping down.", rung, query.placement, exc_info=True)
            continue
        if found.shown:
            return _recommendations(query, rung, found)
    return Recommendations(query.placement, (), NOTHING, None, "")


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
