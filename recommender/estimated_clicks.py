"""The clicks that a version would earn, estimated from lists of other versions: before anyone sees it.

Each seen slot counts by whether the version would have shown its item to that visitor at that time, over the chance
with which it was shown. That takes two things for granted: a click depends on the item and the visitor, not on which of
the seen slots the item stood in; and what may be shown is what it was then.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

import numpy as np
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from recommender.exceptions import RecommenderError
from recommender.experiments.lift import Lift, Sample
from recommender.experiments.off_policy import (
    HEADLINE,
    MIN_COVERED,
    MIN_EFFECTIVE,
    Estimate,
    Log,
    Withheld,
    estimate,
    guessed_rates,
    interval,
)
from recommender.models import ModelVersion, Visitor
from recommender.serving.as_of import list_as_of
from recommender.serving.placements import FOR_YOU
from recommender.serving.query import PERSONAL
from recommender.uplift.logged import SeenList, seen_lists

logger = logging.getLogger(__name__)

MOST_LISTS: Final = 2_000  # newest seen lists; each is made again by the version, in some ten milliseconds
ESTIMATED: Final = 3  # newest versions that are not live


@dataclass(frozen=True, slots=True)
class ClickEstimate:
    """Clicks of a seen slot of "for you".

    Attributes:
        at: when it was estimated. since: lists made after it count; the version learned from those before.
        lists: seen ones that it is made from. drawn: those of them in which chance had a part.
    """

    at: datetime
    since: datetime
    lists: int
    drawn: int
    slots: int
    estimate: Estimate

    @property
    def withheld(self) -> str:
        """Why the number is not told, in a sentence; "" where it is."""
        found, why = self.estimate, self.estimate.withheld
        if why == Withheld.NO_LISTS:
            since = date_format(timezone.localtime(self.since), "DATETIME_FORMAT")
            return _("Nobody has seen a list since %(since)s; the version learned from the earlier ones.") % {
                "since": since
            }
        if why == Withheld.NOT_COVERED and not self.drawn:
            return _(
                "No list left anything to chance, so the log cannot tell of other products: set an exploration share."
            )
        if why == Withheld.NOT_COVERED:
            text = _(
                "Only %(covered)d %% of what it would show could have been shown; %(least)d %% are needed. "
                "A larger exploration share, or an experiment, would tell."
            )
            return text % {"covered": 100 * found.covered, "least": 100 * MIN_COVERED}
        if why == Withheld.TOO_FEW:
            text = _("What is left is worth %(effective)d visitors; %(least)d are needed: wait for more lists.")
            return text % {"effective": found.effective, "least": MIN_EFFECTIVE}
        return ""

    @property
    def gain(self) -> Lift | None:
        """Over what was served to the same visitors, doubly robust; None where it is withheld or nothing differs."""
        return None if self.withheld else interval(self.estimate.gains[HEADLINE])

    def rates(self) -> list[tuple[str, float, Lift | None]]:
        """(name of the estimator, clicks of a seen slot, its interval), the headline first."""
        names = [HEADLINE, *(name for name in self.estimate.samples if name != HEADLINE)]
        samples = self.estimate.samples
        return [(name, samples[name].mean, interval(samples[name])) for name in names]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat(), "since": self.since.isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        inner = dict(stored["estimate"])
        for name in ("samples", "gains"):
            inner[name] = {each: Sample(**values) for each, values in inner[name].items()}
        inner["served"] = Sample(**inner["served"])
        times = {name: datetime.fromisoformat(stored[name]) for name in ("at", "since")}
        return cls(**{**stored, **times, "estimate": Estimate(**inner)})


def estimate_waiting() -> list[int]:
    """Estimate the newest versions that could be published, where lists were seen since the last time; their keys."""
    waiting = ModelVersion.objects.filter(has_vectors=True, is_live=False).select_related("run").order_by("-pk")
    done = []
    for version in waiting[:ESTIMATED]:
        before = version.estimated_clicks
        if before and not seen_lists(FOR_YOU, PERSONAL, datetime.fromisoformat(before["at"]), most=1):
            continue
        try:
            estimate_clicks(version)
        except RecommenderError:
            logger.warning("The clicks of %s could not be estimated.", version, exc_info=True)
            continue
        done.append(version.pk)
    return done


def estimate_clicks(version: ModelVersion, most: int = MOST_LISTS) -> ClickEstimate:
    """Estimate a version's clicks and store that with it.

    Args:
        most: newest seen lists that are looked at.
    Raises:
        RecommenderError: its lists cannot be made.
    """
    run = version.run
    since = run.events_until or run.started_at or version.created_at
    seen = seen_lists(FOR_YOU, PERSONAL, since, most)
    visitors = Visitor.objects.in_bulk({one.visitor for one in seen})
    pairs = [
        (one, list_as_of(version, visitors[one.visitor], one.length, one.made_at))
        for one in seen
        if one.visitor in visitors and min(one.chances, default=0.0) > 0  # 0: written by older code
    ]
    found = ClickEstimate(
        timezone.now(),
        since,
        len(pairs),
        sum(one.is_drawn for one, _would in pairs),
        sum(len(one.slots) for one, _would in pairs),
        estimate(_log(pairs)),
    )
    ModelVersion.objects.filter(pk=version.pk).update(estimated_clicks=found.as_json())
    return found


def _log(pairs: Sequence[tuple[SeenList, list[str]]]) -> Log:
    """A row a seen slot. The version is taken to be seen as far as the list was: in the same slots."""
    numbers: dict[str, int] = {}
    visitor: list[int] = []
    item: list[int] = []
    reward: list[bool] = []
    logged: list[float] = []
    target: list[bool] = []
    wanted: list[tuple[int, int, int]] = []  # (list, visitor, item) of each slot of the version's lists
    for place, (seen, would) in enumerate(pairs):
        instead = {would[slot - 1] for slot in seen.slots if slot <= len(would)}
        wanted += [(place, seen.visitor, numbers.setdefault(key, len(numbers))) for key in sorted(instead)]
        visitor += [seen.visitor] * len(seen.items)
        item += [numbers.setdefault(key, len(numbers)) for key in seen.items]
        reward += seen.clicked
        logged += seen.chances
        target += [key in instead for key in seen.items]
    lengths = np.array([len(seen.items) for seen, _would in pairs], dtype=np.int64)
    of_list, of_visitor, of_item = np.array(wanted, np.int64).reshape(-1, 3).T
    columns = (np.array(visitor, np.int64), np.array(item, np.int64), np.array(reward, np.float64))
    guesses = guessed_rates(*columns, of_visitor, of_item)
    mean_guess = np.bincount(of_list, weights=guesses, minlength=len(pairs)) / np.maximum(lengths, 1)
    return Log(
        visitor=columns[0],
        reward=columns[2],
        logged=np.array(logged, np.float64),
        target=np.array(target, np.float64),
        predicted=guessed_rates(*columns, columns[0], columns[1]),
        predicted_target=np.repeat(mean_guess, lengths),
    )
