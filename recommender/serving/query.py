"""What is asked for, and what comes back."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model
from django.utils.translation import gettext_lazy

from recommender.models import Visitor

FOR_YOU: Final = "for_you"
SIMILAR_ITEMS: Final = "similar_items"
BOUGHT_TOGETHER: Final = "bought_together"
RECENTLY_VIEWED: Final = "recently_viewed"
BUY_AGAIN: Final = "buy_again"
PLACEMENTS: Final = (FOR_YOU, SIMILAR_ITEMS, BOUGHT_TOGETHER, RECENTLY_VIEWED, BUY_AGAIN)
NEED_ITEM: Final = frozenset({SIMILAR_ITEMS, BOUGHT_TOGETHER})  # lists that start from an item

TITLES: Final = {
    FOR_YOU: gettext_lazy("Recommended for you"),
    SIMILAR_ITEMS: gettext_lazy("Similar items"),
    BOUGHT_TOGETHER: gettext_lazy("Often bought together"),
    RECENTLY_VIEWED: gettext_lazy("Recently viewed"),
    BUY_AGAIN: gettext_lazy("Buy it again"),
}

PERSONAL: Final = "personal"  # from this visitor's own events
ITEM: Final = "item"  # from the item that the list starts from
POPULAR: Final = "popular"  # the same for everybody
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Query:
    """Which list, for whom.

    Attributes:
        placement: one of PLACEMENTS.
        visitor: None for somebody without any event yet.
        n: items wanted, ≥ 1; fewer come where fewer are available.
        item_id: the shop's key; needed by the placements in NEED_ITEM.
        exclude: keys that must not be in the list, for example what lies in the basket.
    """

    placement: str
    visitor: Visitor | None
    n: int
    item_id: Any = None
    exclude: frozenset[Any] = frozenset()

    def __post_init__(self) -> None:
        if self.placement not in PLACEMENTS:
            raise ValueError(f"unknown placement {self.placement!r}: known are {', '.join(PLACEMENTS)}")
        if self.placement in NEED_ITEM and self.item_id is None:
            raise ValueError(f"placement {self.placement!r} starts from an item: give item_id")

    @property
    def unwanted(self) -> frozenset[Any]:
        """`exclude`, and the item that the list starts from."""
        return self.exclude if self.item_id is None else self.exclude | {self.item_id}


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a list.

    Attributes:
        item: the shop's own object.
        score: what ordered the list, higher is better; comparable inside one list only.
        reason: why it is here, for the shopper, translated; "" where the list's title says it all.
        slot: 1-based place.
    """

    item: Model
    score: float
    reason: str
    slot: int


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list that was answered by one rung of the ladder.

    Attributes:
        version_id: the ModelVersion behind it; None where none was needed or live.
        token: signed impression token, sent back with clicks; "" for an empty list.
    """

    placement: str
    entries: tuple[Entry, ...]
    rung: str
    version_id: int | None
    token: str
