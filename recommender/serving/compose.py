"""Candidates → the list: what must not be in it is left out, the rest put in order, fetched and explained."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from django.db import Error

from recommender.capture.tables import PURCHASE
from recommender.conf import conf
from recommender.index.nearest import likeness
from recommender.savepoints import unharmed
from recommender.serving.arrange import Arranged, Limit, arrange, relevance_of
from recommender.serving.available import Taken, take_available
from recommender.serving.entries import Answer, Found, Shown
from recommender.serving.page import Asked
from recommender.serving.rules import Wishes, wishes_for
from recommender.serving.trials import Trials, draw, plan_trials

logger = logging.getLogger(__name__)

SPARE: Final = 4  # more than the list needs, put in order with it: for what has sold out in the last minute


@dataclass(frozen=True, slots=True)
class Plan:
    """A list before it is known what is available.

    Attributes:
        keys: candidates in order, without the pinned ones. lifted: key → the rule that lifted it.
        pins: slot → (key, rule). trials: which slots try something out.
    """

    keys: list[Any]
    lifted: dict[Any, int]
    pins: dict[int, tuple[Any, int]]
    trials: Trials


def compose(asked: Asked, found: Found) -> Answer:
    """The list out of these candidates.

    Two statements of its own at most: what the visitor bought or refused, where no source has read it, and the items
    with what the reasons name; once in ten minutes of a process it counts what was seen.
    """
    wishes = wishes_for(asked.placement)
    unwanted = asked.unwanted | left_out(asked) | wishes.excluded
    found = found.without(unwanted)
    if not found.keys:
        return Answer()  # a pin alone makes no list
    plan = _planned(asked, found, wishes, unwanted)
    taken = take_available(
        found,
        plan.keys,
        asked.query.n,
        pinned=[key for key, _rule in plan.pins.values()],
        tried=plan.trials.keys,
        within=asked.placement.within,
        groups=frozenset(asked.page.groups),
    )
    shown = _filled(plan, taken, found, asked.query.n)
    return Answer(shown, _reasons(found, shown, taken), found.version)


def left_out(asked: Asked) -> frozenset[Any]:
    """What the visitor does not want to see, and what was bought within the placement's days; nothing where that
    cannot be read."""
    visitor, days = asked.query.visitor, asked.placement.exclude_bought_days
    if visitor is None:
        return frozenset()
    is_known = asked.page.has_history(visitor)
    try:
        with nullcontext() if is_known else unharmed():
            if not days and not is_known:
                return asked.page.opinions(visitor).refused
            history = asked.page.history(visitor)
    except Error:
        logger.warning("What a visitor bought or refused could not be read; it is not left out.", exc_info=True)
        return frozenset()
    bought = history.item[(history.kind == PURCHASE) & (history.age_days < days)]
    return history.opinions.refused.union(bought.tolist())


def _planned(asked: Asked, found: Found, wishes: Wishes, unwanted: frozenset[Any]) -> Plan:
    n, share = asked.query.n, asked.placement.exploration_share
    arranged = _arranged(asked, found, wishes)
    order = [found.keys[row] for row in arranged.rows]
    pins = _pins(wishes, order, unwanted, n)
    pinned = {key for key, _rule in pins.values()}
    keys = [key for key in order if key not in pinned] if pinned else order
    free = [slot for slot in range(1, n + 1) if slot not in pins]
    return Plan(
        keys,
        {order[place]: rule for place, rule in arranged.lifted.items()},
        pins,
        plan_trials(keys[n + SPARE :], free, n, conf.EXPLORATION_SHARE if share is None else share),
    )


def _arranged(asked: Asked, found: Found, wishes: Wishes) -> Arranged:
    placement, slots = asked.placement, asked.query.n + SPARE
    vectors = None
    if placement.diversity > 0 and found.vectors is not None and found.version is not None:
        vectors = likeness(found.version, found.vectors)
    repeats = [] if found.is_repeat is None else [Limit(found.is_repeat, repeat_share(asked))]
    return arrange(
        relevance_of(found.scores, slots),
        slots,
        vectors=vectors,
        diversity=placement.diversity,
        limits=[*repeats, *wishes.limits(found.keys)],
        lifts=wishes.lifts(found.keys),
    )


def repeat_share(asked: Asked) -> float:
    """Of the slots, at most: fewer while the visitor looks around, when it wants to see something else."""
    share, visitor = asked.placement.repeat_share, asked.query.visitor
    if share is None and visitor is not None and asked.page.has_history(visitor):
        share = conf.LOOKING_REPEAT_SHARE if asked.page.history(visitor).is_looking else None
    return float(conf.REPEAT_SHARE if share is None else share)


def _pins(wishes: Wishes, order: Sequence[Any], unwanted: frozenset[Any], n: int) -> dict[int, tuple[Any, int]]:
    """Slot → (key, rule): a rule for an item brings it in, a rule for a filter takes the best of the candidates."""
    pins: dict[int, tuple[Any, int]] = {}
    used: set[Any] = set(unwanted)
    for each in wishes.pins:
        slot, rule = each.rule.slot, each.rule
        candidates = [rule.item_id] if rule.within_id is None else order
        key = next((key for key in candidates if key in each.keys and key not in used), None)
        if slot is not None and slot <= n and slot not in pins and key is not None:
            pins[slot] = (key, rule.pk)
            used.add(key)
    return pins


def _filled(plan: Plan, taken: Taken, found: Found, n: int) -> list[Shown]:
    """Slot by slot: the pinned item, an item on trial, or the next in order. Where the order ends early, so does the
    list, and later pins move up."""
    score = dict(zip(found.keys, found.scores.tolist(), strict=True))
    rest = iter(taken.items)
    shown: list[Shown] = []
    for slot in range(1, n + 1):
        key, rule = plan.pins.get(slot, (None, None))
        if key in taken.pinned:
            shown.append(Shown(taken.pinned[key], score.get(key, 0.0), rule=rule, is_found=key in score))
            continue
        item = next(rest, None)
        if item is None:
            continue
        item, chance = _tried(plan.trials, taken, slot, item)
        shown.append(Shown(item, score[item.pk], chance, plan.lifted.get(item.pk)))
    return shown


def _tried(trials: Trials, taken: Taken, slot: int, item: Any) -> tuple[Any, float]:
    """(what the slot shows instead of `item` or `item` itself, the chance of just that)."""
    if slot not in trials.may:
        return item, 1.0
    pool = [key for key in trials.pools.get(slot, ()) if key in taken.tried]
    if not pool:
        return item, 1.0 if slot in trials.pools else 1.0 - trials.chance  # no trial item is left: it had to be this
    key, chance = draw(pool)
    return taken.tried[key], trials.chance * chance


def _reasons(found: Found, shown: Sequence[Shown], taken: Taken) -> list[str]:
    """One reason an item; none for what no source found, but a rule brought in."""
    reasons = iter(found.reasons.given([each for each in shown if each.is_found], taken.named))
    return [next(reasons) if each.is_found else "" for each in shown]
