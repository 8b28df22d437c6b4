"""The sources by name: who answers, what it needs, and which rung it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from recommender.models import Arm, Source
from recommender.serving import classic, lists, personal, segment
from recommender.serving.entries import Found
from recommender.serving.page import Asked
from recommender.serving.query import ITEM, PERSONAL, POPULAR, SEGMENT


@dataclass(frozen=True, slots=True)
class Finder:
    """Attributes: rung: what a list of it says. needs_visitor, needs_items: without them it is not asked at all."""

    rung: str
    find: Callable[[Asked], Found]
    needs_visitor: bool = False
    needs_items: bool = False

    def can_answer(self, asked: Asked) -> bool:
        has_items, has_visitor = bool(asked.query.start), asked.query.visitor is not None
        return (has_items or not self.needs_items) and (has_visitor or not self.needs_visitor)


FINDERS: Final[Mapping[str, Finder]] = {
    Source.PERSONAL: Finder(PERSONAL, personal.recommended_for_you, needs_visitor=True),
    Source.SIMILAR: Finder(ITEM, lists.similar_items, needs_items=True),
    Source.TOGETHER: Finder(ITEM, lists.bought_together, needs_items=True),
    Source.AFTER_PURCHASE: Finder(PERSONAL, lists.after_purchase),
    Source.REBUY: Finder(PERSONAL, lists.buy_again, needs_visitor=True),
    Source.VIEWED: Finder(PERSONAL, lists.recently_viewed, needs_visitor=True),
    Source.NEW: Finder(PERSONAL, personal.new_for_you, needs_visitor=True),
    Source.NEWEST: Finder(POPULAR, lists.newest),
    Source.SEGMENT: Finder(SEGMENT, segment.popular_in_segment, needs_visitor=True),
    Source.TRENDING: Finder(POPULAR, lists.trending),
    Source.POPULAR: Finder(POPULAR, lists.popular_now),
    # What only experiments show.
    "item_knn": Finder(PERSONAL, classic.item_knn, needs_visitor=True),
    "content_only": Finder(PERSONAL, classic.content_only, needs_visitor=True),
}
# What an arm of an experiment shows instead of the personal list.
STRATEGIES: Final[Mapping[str, str]] = {
    Arm.Strategy.POPULAR: Source.POPULAR,
    Arm.Strategy.ITEM_KNN: "item_knn",
    Arm.Strategy.CONTENT: "content_only",
    Arm.Strategy.HABITS: Source.REBUY,
}
