"""Two versions in one list, so that each visitor compares them: every slot remembers whose pick it is."""

from collections.abc import Callable
from dataclasses import replace

from uuid_utils.compat import uuid7

from recommender.experiments.interleaving import team_draft
from recommender.index.publish import serving_version
from recommender.models import ModelVersion
from recommender.serving.entries import Answer

Ask = Callable[[], tuple[str, Answer]]


def interleaved(ask: Ask, challenger: ModelVersion | None, n: int) -> tuple[str, Answer, list[int]]:
    """(rung, the list, whose pick each slot is: 0 the live version's, 1 the challenger's).

    No picks at all where one of the two has no list on the same rung: then there is nothing to compare.

    Args:
        ask: makes the list of the version that is served while it is called.
    """
    rung, live = ask()
    with serving_version(challenger):
        other_rung, other = ask()
    if rung != other_rung or not live.shown or not other.shown:
        return rung, live, []
    answers = (live, other)
    first, second = ([shown.item.pk for shown in answer.shown] for answer in answers)
    drafted = team_draft(first, second, n, seed=str(uuid7()))
    picks = list(zip(drafted.items, drafted.team, strict=True))
    places = [{shown.item.pk: place for place, shown in enumerate(answer.shown)} for answer in answers]
    shown = [answers[team].shown[places[team][key]] for key, team in picks]
    reasons = [answers[team].reasons[places[team][key]] for key, team in picks]
    return rung, replace(live, shown=shown, reasons=reasons), drafted.team
