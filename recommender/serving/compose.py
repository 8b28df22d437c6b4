"""Candidates → the list: what must not be in it is left out, the rest put in order, fetched and explained."""

import logging
from contextlib import nullcontext
from typing import Any, Final

from django.db import Error, transaction

from recommender.capture.tables import PURCHASE
from recommender.conf import conf
from recommender.index.nearest import likeness
from recommender.models import Placement
from recommender.serving.arrange import Arranged, Limit, arrange, relevance_of
from recommender.serving.entries import Answer, Found, Shown, take_available
from recommender.serving.opinions import refused_items
from recommender.serving.page import Asked

logger = logging.getLogger(__name__)

SPARE: Final = 4  # more than the list needs, put in order with it: for what has sold out in the last minute


def compose(asked: Asked, found: Found) -> Answer:
    """The list out of these candidates.

    Two statements of its own at most: what the visitor bought or refused, where no source has read it, and the items.
    """
    found = found.without(asked.unwanted | _left_out(asked))
    arranged = _arranged(found, asked.placement, asked.query.n + SPARE)
    keys = [found.keys[row] for row in arranged.rows]
    items = take_available(keys, asked.query.n, within=asked.placement.within, groups=frozenset(asked.page.groups))
    row_of = dict(zip(keys, arranged.rows, strict=True))
    shown = [Shown(item, float(found.scores[row_of[item.pk]])) for item in items]
    return Answer(shown, found.explain(shown), found.version)


def _left_out(asked: Asked) -> frozenset[Any]:
    """What the visitor does not want to see, and what was bought within the placement's days; nothing where that
    cannot be read."""
    visitor, days = asked.query.visitor, asked.placement.exclude_bought_days
    if visitor is None:
        return frozenset()
    is_known = asked.page.has_history(visitor)
    try:
        with nullcontext() if is_known else transaction.atomic():
            if not days and not is_known:
                return asked.page.once(("refused", visitor.pk), lambda: refused_items(visitor))
            history = asked.page.history(visitor)
    except Error:
        logger.warning("What a visitor bought or refused could not be read; it is not left out.", exc_info=True)
        return frozenset()
    bought = history.item[(history.kind == PURCHASE) & (history.age_days < days)]
    return history.opinions.refused.union(bought.tolist())


def _arranged(found: Found, placement: Placement, slots: int) -> Arranged:
    share = conf.REPEAT_SHARE if placement.repeat_share is None else placement.repeat_share
    vectors = None
    if placement.diversity > 0 and found.vectors is not None and found.version is not None:
        vectors = likeness(found.version, found.vectors)
    return arrange(
        relevance_of(found.scores, slots),
        slots,
        vectors=vectors,
        diversity=placement.diversity,
        limits=[] if found.is_repeat is None else [Limit(found.is_repeat, share)],
    )
