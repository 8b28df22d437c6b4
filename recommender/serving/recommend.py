"""The door to every list: try one rung after the other; a page never sees an exception of ours, nor waits for long."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from recommender.index import budget
from recommender.index.publish import serving_version
from recommender.models import Arm, Placement, Source
from recommender.serving.arms import ServedArm, arm_of
from recommender.serving.caller import within_budget
from recommender.serving.compose import compose
from recommender.serving.entries import Answer, Found
from recommender.serving.impressions import impression_token
from recommender.serving.interleave import interleaved
from recommender.serving.last_good import is_due, keep, last_good
from recommender.serving.page import Asked, Page
from recommender.serving.placements import FOR_YOU, length_of, needs_items, placement_named, title_of
from recommender.serving.query import ITEM, LAST_GOOD, NOTHING, POPULAR, Entry, Query, Recommendations
from recommender.serving.rungs import Unanswered, ask
from recommender.serving.sources import FINDERS, STRATEGIES, Finder
from recommender.telemetry import count_list

FOR_EVERYBODY: Final = frozenset({ITEM, POPULAR})  # rungs whose lists may be kept for an outage


def recommend(query: Query, page: Page | None = None, placement: Placement | None = None) -> Recommendations:
    """The list of the first rung that has one, at last the one kept on disk; an empty one where none has.

    All reads together take RECOMMENDER_BUDGET_MS at most. Errors of the database and of the plugin are logged and lead
    one rung down; bugs of the shop's own `available()` are not hidden.

    Args:
        page: what stands on the page already; this list shows nothing of it, and is added to it.
        placement: what the list is made of, instead of the placement that the query names.
    Raises:
        ValueError: there is no such placement, or it is nothing without an item and the query has none.
    """
    began = time.perf_counter()
    with within_budget():
        chosen = placement or placement_named(query.placement)
        if needs_items(chosen) and not query.start:
            raise ValueError(f"placement {query.placement!r} starts from an item: give item_id, or items")
        asked = Asked(query, chosen, Page() if page is None else page)
        with budget.within(budget.RUNG_SHARE * budget.seconds_left()):
            arm = arm_of(query.visitor)
        found = _made(asked, arm)
        if found.entries and placement is None:  # what admin tries out is nobody's list
            _keep_for_an_outage(asked, None if arm else found)
    if found.rung == LAST_GOOD:
        found = last_good(asked, title_of(chosen))
    count_list(query.placement, found.rung, len(found.entries), time.perf_counter() - began)
    return found


def recommend_page(queries: Sequence[Query], page: Page | None = None) -> list[Recommendations]:
    """The lists of one page, as asked; no item is in two of them. What all of them need is read once.

    The most important placement chooses first; of equally important ones, the first that is asked for.
    """
    page = Page() if page is None else page
    order = sorted(range(len(queries)), key=lambda place: -placement_named(queries[place].placement).importance)
    found = {place: recommend(queries[place], page) for place in order}
    return [found[place] for place in range(len(queries))]


def _made(asked: Asked, arm: ServedArm | None) -> Recommendations:
    """The list of the first rung that has one. Without one the rung is LAST_GOOD where a rung failed, else NOTHING."""
    rung, answer, picks = _served(asked, arm)
    if not answer.shown:
        return Recommendations(asked.query.placement, (), rung, None, "", title_of(asked.placement))
    asked.page.show(entry.item for entry in answer.shown)
    return _recommendations(asked, rung, answer, picks)


def _served(asked: Asked, arm: ServedArm | None) -> tuple[str, Answer, list[int]]:
    """(rung, list, whose pick each slot is where two versions are interleaved) of the visitor's arm."""
    if arm is not None and arm.strategy == Arm.Strategy.INTERLEAVED:
        if asked.placement.name == FOR_YOU:
            return interleaved(lambda: _answer(asked, None), arm.version, asked.query.n)
        arm = None  # all other lists come from the live version
    with serving_version(arm.version if arm else None):
        return *_answer(asked, arm), []


def _answer(asked: Asked, arm: ServedArm | None) -> tuple[str, Answer]:
    """(rung, list) of the first rung that has one; of an empty list LAST_GOOD where one failed, else NOTHING."""
    failed = NOTHING
    for names in _rungs(asked.placement, arm):
        rung, answer = _first_answer(asked, names)
        if answer.shown:
            return rung, answer
        failed = LAST_GOOD if rung == LAST_GOOD else failed
    return failed, Answer()


def _rungs(placement: Placement, arm: ServedArm | None) -> Iterable[Sequence[str]]:
    """The sources, which fill a list together, then each fall-back by itself.

    An arm with a strategy of its own has it in the place of the sources of "for you", and falls back on what is the
    same for everybody: what it is compared with should owe nothing to us.
    """
    has_strategy = arm is not None and arm.strategy in STRATEGIES and placement.name == FOR_YOU
    yield [STRATEGIES[arm.strategy]] if arm is not None and has_strategy else placement.sources
    for name in placement.fallbacks:
        if not (has_strategy and name == Source.SEGMENT):
            yield (name,)


def _first_answer(asked: Asked, names: Sequence[str]) -> tuple[str, Answer]:
    """(rung of the first source that has something, the list): the next source is asked where the list is short.

    The rung of an empty list is LAST_GOOD where a source failed, else NOTHING.
    """
    rung, answer, found, is_failed = NOTHING, Answer(), Found(), False
    for finder in (FINDERS[name] for name in names):
        if not finder.can_answer(asked) or len(answer.shown) >= asked.query.n:
            continue
        try:
            more = ask(finder.rung, partial(_more, asked, finder, found))
        except Unanswered:
            is_failed = True
            continue
        if more is None:
            continue
        found, answer = more
        rung = finder.rung if rung == NOTHING and answer.shown else rung
    return (LAST_GOOD if is_failed and rung == NOTHING else rung), answer


def _more(asked: Asked, finder: Finder, found: Found) -> tuple[Found, Answer]:
    """The candidates so far and behind them those of another source; the list out of all of them."""
    both = found.followed_by(finder.find(asked))
    return both, compose(asked, both)


def _keep_for_an_outage(asked: Asked, found: Recommendations | None) -> None:
    """The list, once a minute, where no source of it asks who the visitor is; else the one that everybody would get.

    The rung of a list is that of its first source, and says nothing of who the others filled it up for.
    """
    if not is_due(asked.query):
        return
    length, sources = length_of(asked.placement), asked.placement.sources
    is_for_everybody = all(FINDERS[name].rung in FOR_EVERYBODY for name in sources)
    if found is None or not is_for_everybody or asked.query.n < length:
        whole = replace(asked.query, visitor=None, exclude=frozenset(), n=max(asked.query.n, length))
        found = _made(Asked(whole, asked.placement, Page()), None)
    if found.rung in FOR_EVERYBODY and found.entries:
        keep(asked.query, found)


def _recommendations(asked: Asked, rung: str, found: Answer, picks: list[int]) -> Recommendations:
    entries = tuple(
        Entry(shown.item, shown.score, reason, slot, shown.propensity, shown.rule, shown.is_found)
        for slot, (shown, reason) in enumerate(zip(found.shown, found.reasons, strict=True), start=1)
    )
    version_id = found.version.pk if found.version else None
    placement = asked.query.placement
    token = impression_token(asked.query.visitor, placement, rung, version_id, entries, picks)
    return Recommendations(placement, entries, rung, version_id, token, title_of(asked.placement))
