"""An experiment, read: the arms' numbers, how much better than the control, and whether anybody may believe it yet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS
from recommender.experiments.guards import MISMATCH_P, Wait, sample_ratio_p, still_to_decide, still_to_run
from recommender.experiments.interleaving import Preference, preference
from recommender.experiments.lift import ALPHA, Lift, Sample, per_visitor, relative_lift, without_history
from recommender.models import HOLDOUT_ARM, Arm, Event, Experiment
from recommender.uplift.attribution import Outcomes, outcomes, outcomes_of_holdout

Columns = Mapping[str, NDArray[np.float64]]
HAS_ORDERED: Final = "has_ordered"  # 1 for a visitor with an order, else 0
HEADLINE: Final = "ctr"  # what the verdict is about
# metric → (column summed, what it is divided by: a column, or "" for the visitors)
METRICS: Final[dict[str, tuple[str, str]]] = {
    "ctr": ("clicks", "slots"),
    "conversion": (HAS_ORDERED, ""),
    "orders": ("orders", ""),
    "revenue": ("revenue_cents", ""),
}


@dataclass(frozen=True, slots=True)
class ArmReading:
    """One arm.

    Attributes:
        counts: visitors, slots, clicks, orders, purchases, revenue_cents, assisted.
        means: metric of METRICS → clicks a seen slot, share of visitors who ordered, orders and cents a visitor.
        lifts: metric → relative to the control; None where nothing can be said, and for the control itself.
        narrowed: the same less what the visitors' history explains (CUPED).
    """

    id: int
    name: str
    is_control: bool
    counts: dict[str, int]
    means: dict[str, float]
    lifts: dict[str, Lift | None] = field(default_factory=dict)
    narrowed: dict[str, Lift | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole experiment.

    Attributes:
        ratio_p: probability of a split this uneven; below MISMATCH_P no lift is shown.
        wait: what the minimum run still lacks; None once it is there.
        to_decide: arm → how long until `wanted_lift` would show, at the pace so far.
        left_out: doubtful_visitors, unsigned_clicks; two_armed_visitors count in their first arm.
    """

    arms: list[ArmReading]
    days: float
    ratio_p: float
    wait: Wait | None
    to_decide: dict[int, Wait]
    left_out: dict[str, int]

    @property
    def is_mismatched(self) -> bool:
        return self.ratio_p < MISMATCH_P

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        lifts = ("lifts", "narrowed")
        arms = [ArmReading(**{**arm, **{name: _lifts(arm[name]) for name in lifts}}) for arm in stored["arms"]]
        wait = None if stored["wait"] is None else Wait(**stored["wait"])
        to_decide = {int(arm): Wait(**waiting) for arm, waiting in stored["to_decide"].items()}
        return cls(**{**stored, "arms": arms, "wait": wait, "to_decide": to_decide})


def read(experiment: Experiment) -> Reading:
    """As of now, or as it was when the experiment stopped."""
    if experiment.result is not None:
        return Reading.from_json(experiment.result)
    arms = list(experiment.arms.all())
    now = experiment.stopped_at or timezone.now()
    days = (now - experiment.started_at).total_seconds() / DAY_SECONDS if experiment.started_at else 0.0
    return compare(arms, outcomes([arm.pk for arm in arms]), days, experiment.min_days, experiment.wanted_lift)


def read_holdout(share: float, days: float) -> Reading:
    """Everybody's lists against the popular list of the holdout visitors, who are `share` of all."""
    holdout = Arm(pk=HOLDOUT_ARM, name=_("holdout visitors"), weight=round(1e6 * share), is_control=True)
    others = Arm(pk=1, name=_("everybody else"), weight=round(1e6 * (1 - share)))
    return compare([holdout, others], outcomes_of_holdout(), days, min_days=14, wanted_lift=0.05)


def read_preferences(experiment: Experiment) -> dict[int, Preference]:
    """Interleaved arm → which of its two versions the visitors preferred: first the live one, second the challenger."""
    found = {}
    for arm in experiment.arms.filter(strategy=Arm.Strategy.INTERLEAVED):
        clicks = Event.objects.filter(kind=Event.Kind.CLICK, doubt=Event.Doubt.NONE, impression__arm=arm.pk)
        if experiment.started_at is not None:
            clicks = clicks.filter(at__gte=experiment.started_at)
        counts = clicks.filter(impression__has_key="pick").values("visitor").order_by("visitor")
        second = Count("pk", filter=Q(impression__pick=1))
        rows = counts.annotate(all=Count("pk"), second=second).values_list("all", "second")
        found[arm.pk] = preference([(clicked - challenger, challenger) for clicked, challenger in rows])
    return found


def compare(arms: Sequence[Arm], found: Outcomes, days: float, min_days: int, wanted_lift: float) -> Reading:
    """What each arm's visitors did, beside the control's.

    Args:
        arms: one of them the control. days: since the start. wanted_lift: .05 is five per cent.
    """
    columns = {arm.pk: found.counted(arm.pk) for arm in arms}
    visitors = [len(columns[arm.pk]["slots"]) for arm in arms]
    lifts, narrowed = _compare_all(arms, columns)
    readings = [
        ArmReading(
            arm.pk,
            arm.name,
            arm.is_control,
            _counts(columns[arm.pk]),
            {metric: Sample.of_values(values_of(columns[arm.pk], metric)).mean for metric in METRICS},
            lifts.get(arm.pk, {}),
            narrowed.get(arm.pk, {}),
        )
        for arm in arms
    ]
    to_decide = {
        arm: still_to_decide(lift, wanted_lift, days, visitors)
        for arm, by_metric in narrowed.items()
        if (lift := by_metric[HEADLINE]) is not None
    }
    ratio_p = sample_ratio_p(visitors, [arm.weight for arm in arms])
    return Reading(readings, days, ratio_p, still_to_run(days, min_days, visitors), to_decide, found.left_out)


def _compare_all(
    arms: Sequence[Arm], columns: Mapping[int, Columns]
) -> tuple[dict[int, dict[str, Lift | None]], dict[int, dict[str, Lift | None]]]:
    """(arm → metric → lift over the control, the same narrowed by history), for all arms but the control."""
    control = next(arm.pk for arm in arms if arm.is_control)
    others = [arm.pk for arm in arms if arm.pk != control]
    alpha = ALPHA / max(len(others), 1)  # several arms are several chances to be lucky
    before = [columns[arm.pk]["purchases_before"] for arm in arms]
    lifts: dict[int, dict[str, Lift | None]] = {arm: {} for arm in others}
    narrowed: dict[int, dict[str, Lift | None]] = {arm: {} for arm in others}
    for metric in METRICS:
        plain = [values_of(columns[arm.pk], metric) for arm in arms]
        for values, into in ((plain, lifts), (without_history(plain, before), narrowed)):
            samples = {arm.pk: Sample.of_values(each) for arm, each in zip(arms, values, strict=True)}
            for arm in others:
                into[arm][metric] = relative_lift(samples[control], samples[arm], alpha)
    return lifts, narrowed


def values_of(columns: Columns, metric: str) -> NDArray[np.float64]:
    """[visitors] whose mean is the metric, from the columns of one arm."""
    summed, divided = METRICS[metric]
    numerator = (columns["orders"] > 0).astype(np.float64) if summed == HAS_ORDERED else columns[summed]
    return per_visitor(numerator, columns[divided] if divided else np.ones(len(numerator)))


def _counts(columns: Columns) -> dict[str, int]:
    names = ("slots", "clicks", "orders", "purchases", "revenue_cents", "assisted")
    return {"visitors": len(columns["slots"]), **{name: int(columns[name].sum()) for name in names}}


def _lifts(stored: Mapping[str, Any]) -> dict[str, Lift | None]:
    return {metric: None if lift is None else Lift(**lift) for metric, lift in stored.items()}
