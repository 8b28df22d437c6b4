"""The merchandisers' rules that hold right now, from memory: the usual list reads nothing for them."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db.models import Q
from django.utils import timezone

from recommender.catalog import shop_items
from recommender.exceptions import FilterBroken
from recommender.models import Placement, Rule, SavedFilter, Source
from recommender.serving.arrange import Flags, Lift, Limit
from recommender.serving.placements import CACHE_SECONDS
from recommender.serving.remembered import Remembered

logger = logging.getLogger(__name__)

KEYS_SECONDS: Final = 60.0  # after so long it is looked up again which items a filter holds
MOST_KEYS: Final = 50_000  # of a filter, the ones with the lowest keys
# What a list of these says of an item is true or not: "recently viewed", "buy it again", "often bought together".
FACTS: Final = frozenset({Source.VIEWED, Source.REBUY, Source.TOGETHER})
PROMOTES: Final = frozenset({Rule.Action.PIN, Rule.Action.BOOST})


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule with the keys of the items that it is about."""

    rule: Rule
    keys: frozenset[Any]

    def of(self, keys: Sequence[Any]) -> Flags:
        """[n] which of these items it is about."""
        return np.fromiter((key in self.keys for key in keys), dtype=bool, count=len(keys))


@dataclass(frozen=True, slots=True)
class Wishes:
    """The rules for one placement, by what they do."""

    pins: tuple[ActiveRule, ...] = ()
    boosts: tuple[ActiveRule, ...] = ()
    buries: tuple[ActiveRule, ...] = ()
    excluded: frozenset[Any] = frozenset()

    def lifts(self, keys: Sequence[Any]) -> list[Lift]:
        return [Lift(each.of(keys), each.rule.share or 0.0, each.rule.pk) for each in self.boosts]

    def limits(self, keys: Sequence[Any]) -> list[Limit]:
        return [Limit(each.of(keys), each.rule.share or 0.0) for each in self.buries]


def wishes_for(placement: Placement) -> Wishes:
    """What the rules want of this placement's lists, at most CACHE_SECONDS old."""
    every = active_rules.get()
    if not every:
        return Wishes()
    now = timezone.now()
    mine = [each for each in every if _holds(each.rule, placement, now)]
    by_action = {action: tuple(each for each in mine if each.rule.action == action) for action in Rule.Action}
    return Wishes(
        by_action[Rule.Action.PIN],
        by_action[Rule.Action.BOOST],
        by_action[Rule.Action.BURY],
        frozenset().union(*(each.keys for each in by_action[Rule.Action.EXCLUDE])),
    )


def _holds(rule: Rule, placement: Placement, now: Any) -> bool:
    """A rule for all lists promotes nothing in one that states facts: a pinned wine was not bought with milk."""
    is_named = placement.name in rule.placements
    if not is_named and (rule.placements or (rule.action in PROMOTES and FACTS.issuperset(placement.sources))):
        return False
    return (rule.starts_at is None or rule.starts_at <= now) and (rule.ends_at is None or now < rule.ends_at)


def _read() -> tuple[ActiveRule, ...]:
    not_over = Q(ends_at=None) | Q(ends_at__gt=timezone.now())
    rules = Rule.objects.filter(not_over, is_active=True).select_related("within")
    return tuple(ActiveRule(rule, _keys(rule)) for rule in rules)


active_rules: Final[Remembered[tuple[ActiveRule, ...]]] = Remembered(_read, CACHE_SECONDS, ())
_keys_of: dict[int, tuple[frozenset[Any], tuple[Any, ...], float]] = {}  # filter → keys, its definition, until when


def _keys(rule: Rule) -> frozenset[Any]:
    return frozenset({rule.item_id}) if rule.within is None else filter_keys(rule.within)


def filter_keys(saved: SavedFilter) -> frozenset[Any]:
    """Keys of the items that the filter holds, available or not; none where it fits the catalogue no more."""
    definition = (saved.values, saved.min_price_cents, saved.max_price_cents)
    keys, defined, until = _keys_of.get(saved.pk, (frozenset(), (), 0.0))
    if time.monotonic() < until and defined == definition:
        return keys
    try:
        found = saved.narrow(shop_items().order_by("pk")).values_list("pk", flat=True)
        keys = frozenset(found[:MOST_KEYS])
    except FilterBroken:
        logger.exception("The rules with this filter do nothing.")
        keys = frozenset()
    _keys_of[saved.pk] = (keys, definition, time.monotonic() + KEYS_SECONDS)
    return keys


def forget_rules() -> None:
    """The next list of this process reads the rules."""
    active_rules.forget()
    _keys_of.clear()
