"""The other sources: from items, from the visitor's own past, and the same for everybody."""

from typing import Any, Final

import numpy as np
from django.db.models import Sum
from django.utils.translation import gettext as _

from recommender.capture.tables import CLICK, PURCHASE, VIEW
from recommender.conf import conf, min_buyers
from recommender.exceptions import NoLiveVersion
from recommender.index.nearest import compare, item_vectors, likeness
from recommender.index.partitions import unpack_vectors
from recommender.index.publish import live_version
from recommender.models import ItemPair, ModelVersion
from recommender.serving.entries import Found, Told
from recommender.serving.history import History
from recommender.serving.page import Asked
from recommender.serving.popular import newest_items, popular_items
from recommender.serving.reasons import count_purchases, repeat_reason
from recommender.serving.rebuy import by_due
from recommender.serving.trending import trending_items

PAIRS_READ: Final = 200  # the longest list, what is sold out and what the page shows already
ORDER_SECONDS: Final = 1.0  # purchases of one order lie no further apart


def similar_items(asked: Asked) -> Found:
    """Nearest neighbours of the items' middle; nothing where the live version knows none of them.

    Raises:
        NoLiveVersion: the next source answers.
    """
    version = _live()
    vectors = item_vectors(version, asked.query.start)
    if not len(vectors):
        return Found()
    middle = likeness(version, likeness(version, vectors).mean(axis=0))
    rows = compare(version, middle, nearest=conf.CANDIDATES, exclude=asked.unwanted, within=asked.placement.within)
    if not rows:
        return Found()
    rows.sort(key=lambda row: row.distance)  # a relaxed index scan is only nearly in order
    scores = np.array([1.0 - row.distance for row in rows], dtype=np.float32)
    return Found([row.item_id for row in rows], scores, version, unpack_vectors([row.vector for row in rows]))


def bought_together(asked: Asked) -> Found:
    """What at least MIN_BUYERS different visitors bought together with one of the items, most often first.

    Raises:
        NoLiveVersion: the next source answers.
    """
    return _pairs(asked, asked.query.start)


def after_purchase(asked: Asked) -> Found:
    """The same for the items that the list starts from, else for those of the visitor's newest order.

    Raises:
        NoLiveVersion: the next source answers.
    """
    start = asked.query.start
    if not start and asked.query.visitor is not None:
        start = _newest_order(asked.page.history(asked.query.visitor))
    return _pairs(asked, start) if start else Found()


def _pairs(asked: Asked, start: tuple[Any, ...]) -> Found:
    version = _live()
    # Checked again here: the setting may have grown since the training.
    pairs = ItemPair.objects.filter(version_id=version.pk, item_id__in=start, support__gte=min_buyers())
    pairs = pairs.exclude(other_id__in=asked.unwanted.union(start))
    scored = pairs.values("other_id").annotate(total=Sum("score")).order_by("-total", "other_id")
    return Found.of(list(scored.values_list("other_id", "total")[:PAIRS_READ]), version)


def _newest_order(history: History) -> tuple[Any, ...]:
    bought = np.flatnonzero(history.kind == PURCHASE)
    if not len(bought):
        return ()
    age = history.age_seconds[bought]
    return tuple(dict.fromkeys(history.item[bought[age <= age[-1] + ORDER_SECONDS]].tolist()))


def recently_viewed(asked: Asked) -> Found:
    """Items that the visitor looked at, newest first; needs no model. Score: days ago, negative."""
    history = _history(asked)
    newest_first = zip(history.item[::-1], history.kind[::-1], history.age_days[::-1], strict=True)
    viewed: dict[Any, float] = {}
    for item_id, kind, age_days in newest_first:
        if kind in (VIEW, CLICK):
            viewed.setdefault(item_id, -float(age_days))
    return Found.of(list(viewed.items()))


def buy_again(asked: Asked) -> Found:
    """Items that the visitor bought: those that are due first, by decayed count. Works without a model, too."""
    history = _history(asked)
    purchases = count_purchases(history)
    if not purchases:
        return Found()
    scored = by_due(history, live_version())
    return Found.of(scored, reasons=Told(lambda entry: repeat_reason(purchases[entry.item.pk])))


def newest(asked: Asked) -> Found:
    """The newest items, the same for everybody."""
    return Found.of(newest_items(asked.placement.within))


def trending(asked: Asked) -> Found:
    """What more visitors take than usual."""
    return Found.of(trending_items(asked.placement.within))


def popular_now(asked: Asked) -> Found:
    """The same list for everybody; without a live version from the newest events, without events the newest items."""
    version = live_version()
    reason = _("Popular now")
    reasons = Told(lambda entry: reason if entry.score > 0 else "")
    return Found.of(popular_items(version, asked.placement.within), version, reasons)


def _history(asked: Asked) -> History:
    assert asked.query.visitor is not None, "sources of the past are asked for visitors only"  # noqa: S101
    return asked.page.history(asked.query.visitor)


def _live() -> ModelVersion:
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    return version
