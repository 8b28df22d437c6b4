"""What is asked for, and what comes back."""

from dataclasses import dataclass
from typing import Any, Final

from recommender.models import Visitor

PERSONAL: Final = "personal"  # from this visitor's own events
ITEM: Final = "item"  # from the item that the list starts from
SEGMENT: Final = "segment"  # the same for all who like this kind of item
POPULAR: Final = "popular"  # the same for everybody
LAST_GOOD: Final = "last_good"  # kept on disk; the database did not answer
NOTHING: Final = "nothing"
RUNGS: Final = (PERSONAL, ITEM, SEGMENT, POPULAR, LAST_GOOD, NOTHING)


@dataclass(frozen=True, slots=True)
class Query:
    """Which list, for whom.

    Attributes:
        placement: name of one of `placements()`.
        visitor: None for somebody without any event yet.
        n: items wanted, ≥ 1; fewer come where fewer are available.
        item_id: the shop's key of what the list starts from; some placements are nothing without one.
        exclude: keys that must not be in the list.
        items: keys, where the list starts from several, a basket for example.
    """

    placement: str
    visitor: Visitor | None
    n: int
    item_id: Any = None
    exclude: frozenset[Any] = frozenset()
    items: tuple[Any, ...] = ()

    @property
    def start(self) -> tuple[Any, ...]:
        """What the list starts from, without repeats."""
        one = () if self.item_id is None else (self.item_id,)
        return tuple(dict.fromkeys((*one, *self.items)))

    @property
    def unwanted(self) -> frozenset[Any]:
        """`exclude`, and what the list starts from."""
        return self.exclude.union(self.start)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a list.

    Attributes:
        item: the shop's own object; the kept `Card` where the rung is LAST_GOOD.
        score: what ordered the list, higher is better; comparable inside one list only.
        reason: why it is here, for the shopper, translated; "" where the list's title says it all.
        slot: 1-based place.
        propensity: the probability with which this item stands in this slot, given the visitor's history, the
            candidates with their impressions and clicks so far, the rules, and what the page showed before: 1.0 in a
            slot that never explores. In a slot that explores with probability e it is 1 - e for the item that stands
            there otherwise, and e times the probability of winning the slot's Thompson draw for an item on trial.
            All trial items of a slot were checked to be available before the draw. It is exact but for items of the
            cached popular lists that sold out within their cache time.
        rule: pk of the Rule that put the item into this slot.
        is_found: False where no source found the item, but a rule brought it in: its score says nothing.
    """

    item: Any
    score: float
    reason: str
    slot: int
    propensity: float = 1.0
    rule: int | None = None
    is_found: bool = True


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list that was answered by one rung of the ladder.

    Attributes:
        version_id: the ModelVersion behind it; None where none was needed or live.
        token: signed impression token, sent back with clicks; "" for an empty list.
        title: a heading for shoppers, in the language of the request.
    """

    placement: str
    entries: tuple[Entry, ...]
    rung: str
    version_id: int | None
    token: str
    title: str = ""
