"""The door to every list: try one rung after the other; a page never sees an exception of ours."""

import logging
from collections.abc import Iterable, Sequence

from django.db import Error

from recommender.conf import conf
from recommender.exceptions import NoLiveVersion, RecommenderError
from recommender.index.publish import serving_version
from recommender.index.reading import reading
from recommender.models import Arm, Placement
from recommender.serving.arms import ServedArm, arm_of
from recommender.serving.compose import compose
from recommender.serving.entries import Answer, Found
from recommender.serving.impressions import impression_token
from recommender.serving.interleave import interleaved
from recommender.serving.page import Asked, Page
from recommender.serving.placements import FOR_YOU, needs_items, placement_named, title_of
from recommender.serving.query import NOTHING, Entry, Query, Recommendations
from recommender.serving.sources import FINDERS, STRATEGIES

logger = logging.getLogger(__name__)


def recommend(query: Query, page: Page | None = None, placement: Placement | None = None) -> Recommendations:
    """The list of the first rung that has one; an empty one from the rung "nothing" where none has.

    Errors of the database and of the plugin are logged and lead one rung down. Each read is cut off after
    RECOMMENDER_BUDGET_MS; bugs of the shop's own `available()` are not hidden.

    Args:
        page: what stands on the page already; this list shows nothing of it, and is added to it.
        placement: what the list is made of, instead of the placement that the query names.
    Raises:
        ValueError: there is no such placement, or it is nothing without an item and the query has none.
    """
    chosen = placement or placement_named(query.placement)
    if needs_items(chosen) and not query.start:
        raise ValueError(f"placement {query.placement!r} starts from an item: give item_id, or items")
    asked = Asked(query, chosen, Page() if page is None else page)
    rung, answer, picks = _served(asked, arm_of(query.visitor))
    if not answer.shown:
        return Recommendations(query.placement, (), NOTHING, None, "", title_of(chosen))
    asked.page.show(entry.item for entry in answer.shown)
    return _recommendations(asked, rung, answer, picks)


def recommend_page(queries: Sequence[Query], page: Page | None = None) -> list[Recommendations]:
    """The lists of one page, as asked; no item is in two of them. What all of them need is read once.

    The most important placement chooses first; of equally important ones, the first that is asked for.
    """
    page = Page() if page is None else page
    order = sorted(range(len(queries)), key=lambda place: -placement_named(queries[place].placement).importance)
    found = {place: recommend(queries[place], page) for place in order}
    return [found[place] for place in range(len(queries))]


def _served(asked: Asked, arm: ServedArm | None) -> tuple[str, Answer, list[int]]:
    """(rung, list, whose pick each slot is where two versions are interleaved) of the visitor's arm."""
    if arm is not None and arm.strategy == Arm.Strategy.INTERLEAVED:
        if asked.placement.name == FOR_YOU:
            return interleaved(lambda: _answer(asked, None), arm.version, asked.query.n)
        arm = None  # all other lists come from the live version
    with serving_version(arm.version if arm else None):
        return *_answer(asked, arm), []


def _answer(asked: Asked, arm: ServedArm | None) -> tuple[str, Answer]:
    """(rung, list) of the first rung that has one."""
    for names in _rungs(asked.placement, arm):
        rung, answer = _first_answer(asked, names)
        if answer.shown:
            return rung, answer
    return NOTHING, Answer()


def _rungs(placement: Placement, arm: ServedArm | None) -> Iterable[Sequence[str]]:
    """The sources, which fill a list together, then each fall-back by itself.

    An arm with a strategy of its own has it in the place of the sources of "for you".
    """
    has_strategy = arm is not None and arm.strategy in STRATEGIES and placement.name == FOR_YOU
    yield [STRATEGIES[arm.strategy]] if arm is not None and has_strategy else placement.sources
    for name in placement.fallbacks:
        yield (name,)


def _first_answer(asked: Asked, names: Sequence[str]) -> tuple[str, Answer]:
    """(rung of the first source that has something, the list): the next source is asked where the list is short."""
    rung, answer, found = NOTHING, Answer(), Found()
    for finder in (FINDERS[name] for name in names):
        if not finder.can_answer(asked) or len(answer.shown) >= asked.query.n:
            continue
        try:
            with reading(conf.BUDGET_MS, neighbours=conf.CANDIDATES):
                found = found.followed_by(finder.find(asked))
                answer = compose(asked, found)
        except NoLiveVersion:
            continue  # a new shop, not a fault: the admin page says so
        except (RecommenderError, Error):
            logger.warning(
                "The %s rung of %s failed; stepping down.", finder.rung, asked.query.placement, exc_info=True
            )
            continue
        rung = finder.rung if rung == NOTHING and answer.shown else rung
    return rung, answer


def _recommendations(asked: Asked, rung: str, found: Answer, picks: list[int]) -> Recommendations:
    entries = tuple(
        Entry(shown.item, shown.score, reason, slot, shown.propensity, shown.rule)
        for slot, (shown, reason) in enumerate(zip(found.shown, found.reasons, strict=True), start=1)
    )
    version_id = found.version.pk if found.version else None
    token = impression_token(asked.query, rung, version_id, entries, picks)
    return Recommendations(asked.query.placement, entries, rung, version_id, token, title_of(asked.placement))
