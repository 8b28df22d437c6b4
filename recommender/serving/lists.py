"""The other lists: from an item, from the visitor's own past, and what is popular."""

from django.utils.translation import gettext as _

from recommender.capture.tables import CLICK, VIEW
from recommender.conf import conf, min_buyers
from recommender.exceptions import NoLiveVersion
from recommender.index.nearest import similar
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.models import ItemPair, ModelVersion
from recommender.serving.entries import Answer, take_available
from recommender.serving.history import read_history
from recommender.serving.popular import popular_items
from recommender.serving.query import Query
from recommender.serving.reasons import count_purchases, repeat_reason

PAIRS_READ = 200  # of one item; the longest list and what is sold out


def similar_items(query: Query) -> Answer:
    """Nearest neighbours of the item; empty where the live version does not know it.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    version = _live()
    with reading(conf.BUDGET_MS):
        scored = similar(version, query.item_id, query.n, exclude=query.unwanted)
        return Answer(take_available(scored, query.n), version=version)


def bought_together(query: Query) -> Answer:
    """What at least MIN_BUYERS different visitors bought together with the item, most often first.

    Raises:
        NoLiveVersion: the next rung answers.
    """
    version = _live()
    with reading(conf.BUDGET_MS):
        # Checked again here: the setting may have grown since the training.
        pairs = ItemPair.objects.filter(version_id=version.pk, item_id=query.item_id, support__gte=min_buyers())
        pairs = pairs.order_by("-score").exclude(other_id__in=query.unwanted)
        scored = list(pairs.values_list("other_id", "score")[:PAIRS_READ])
        return Answer(take_available(scored, query.n), version=version)


def recently_viewed(query: Query) -> Answer:
    """Items that the visitor looked at, newest first; needs no model. Score: days ago, negative."""
    if query.visitor is None:
        return Answer()
    with reading(conf.BUDGET_MS):
        history = read_history(query.visitor)
        newest_first = zip(history.item[::-1], history.kind[::-1], history.age_seconds[::-1], strict=True)
        viewed: dict[object, float] = {}
        for item_id, kind, age in newest_first:
            if kind in (VIEW, CLICK) and item_id not in query.unwanted:
                viewed.setdefault(item_id, -float(age) / 86_400)
        return Answer(take_available(list(viewed.items()), query.n))


def buy_again(query: Query) -> Answer:
    """Items that the visitor bought, by decayed count; needs no model."""
    if query.visitor is None:
        return Answer()
    with reading(conf.BUDGET_MS):
        history = read_history(query.visitor)
        counts = history.decayed_purchases()
        wanted = [(item_id, count) for item_id, count in counts.items() if item_id not in query.unwanted]
        wanted.sort(key=lambda pair: -pair[1])
        shown = take_available(wanted, query.n)
        purchases = count_purchases(history)
        return Answer(shown, [repeat_reason(purchases[entry.item.pk]) for entry in shown])


def popular_now(query: Query) -> Answer:
    """The same list for everybody; without a live version from the newest events, without events the newest items."""
    version = live_version()
    scored = [pair for pair in popular_items(version) if pair[0] not in query.unwanted]
    with reading(conf.BUDGET_MS):
        shown = take_available(scored, query.n)
    reason = _("Popular now")
    return Answer(shown, [reason if entry.score > 0 else "" for entry in shown], version)


def _live() -> ModelVersion:
    version = live_version()
    if version is None:
        raise NoLiveVersion(NoLiveVersion.__doc__)
    return version
