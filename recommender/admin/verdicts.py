"""The result of an experiment in plain words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommender.admin.intervals import interval_chart, percent
from recommender.experiments.guards import Wait
from recommender.experiments.lift import ALPHA, Lift
from recommender.models import Experiment
from recommender.uplift.report import HEADLINE, METRICS, ArmReading, Reading, read_preferences

NAMES: Final = {
    "ctr": gettext_lazy("Clicks on what was seen"),
    "conversion": gettext_lazy("Visitors who ordered from a list"),
    "orders": gettext_lazy("Orders from lists"),
    "revenue": gettext_lazy("Revenue from lists"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A badge of admin.css and a sentence."""

    kind: str
    badge: str
    text: str


def verdict(reading: Reading, arm: ArmReading, wanted: float) -> Verdict:
    """What may be said of an arm beside the control."""
    if reading.is_mismatched:
        return Verdict("failed", _("withheld"), _("The split is broken, so the arms cannot be compared."))
    if reading.wait is not None:
        return Verdict("queued", _("too early"), _too_early(reading.wait))
    lift = arm.narrowed[HEADLINE]
    if lift is None:
        return Verdict("queued", _("too early"), _("Nobody has clicked yet."))
    if lift.is_above_zero:
        return Verdict("live", _("better"), _surely(lift))
    if lift.is_below_zero:
        return Verdict("failed", _("worse"), _surely(lift))
    return Verdict("refused", _("open"), _still_open(reading.to_decide.get(arm.id), wanted))


def comparisons(reading: Reading, wanted: float) -> Iterator[dict[str, Any]]:
    """For each arm but the control: its name, verdict, and a row a metric with numbers and picture."""
    for arm in reading.arms:
        if arm.is_control:
            continue
        shown = [(metric, lift) for metric in METRICS if (lift := arm.narrowed.get(metric)) is not None]
        charts = interval_chart([lift for _metric, lift in shown])
        rows = [
            {"name": NAMES[metric], "lift": percent(lift.estimate), "interval": _interval(lift), "chart": chart}
            for (metric, lift), chart in zip(shown, charts, strict=True)
        ]
        is_withheld = reading.is_mismatched
        yield {"name": arm.name, "verdict": verdict(reading, arm, wanted), "rows": [] if is_withheld else rows}


def preferences(experiment: Experiment) -> Iterator[tuple[str, Verdict]]:
    """(name of an interleaved arm, which of its two versions the visitors preferred), for each."""
    names = dict(experiment.arms.values_list("pk", "name"))
    for arm, found in read_preferences(experiment).items():
        text = _("%(first)d visitors clicked more picks of the live version, %(second)d of the other (p = %(p).3f).")
        said = text % {"first": found.first, "second": found.second, "p": found.p}
        if found.p >= ALPHA:
            yield names[arm], Verdict("refused", _("open"), said)
        elif found.second > found.first:
            yield names[arm], Verdict("live", _("better"), said)
        else:
            yield names[arm], Verdict("failed", _("worse"), said)


def _too_early(wait: Wait) -> str:
    if wait.days is None:
        return _("Nobody has seen a list of every arm yet.")
    days = _about(wait.days)
    if wait.visitors:
        return _("Not enough visitors yet: %(days)s.") % {"days": days}
    return _("A whole week or more must pass: %(days)s.") % {"days": days}


def _still_open(wait: Wait | None, wanted: float) -> str:
    wanted_text = f"{100 * wanted:.1f} %"
    if wait is None or wait.days is None:
        return _("No difference shows yet.")
    if wait.days == 0:
        return _("No difference shows; one of %(wanted)s would most likely have.") % {"wanted": wanted_text}
    text = _("No difference shows yet. One of %(wanted)s would show in %(days)s.")
    return text % {"wanted": wanted_text, "days": _about(wait.days)}


def _about(days: int) -> str:
    return ngettext("about %(days)d more day", "about %(days)d more days", days) % {"days": days}


def _surely(lift: Lift) -> str:
    text = _("%(lift)s clicks; surely between %(low)s and %(high)s, however often somebody looks.")
    low, high = percent(lift.always_low), percent(lift.always_high)
    return text % {"lift": percent(lift.estimate), "low": low, "high": high}


def _interval(lift: Lift) -> str:
    return _("%(low)s to %(high)s") % {"low": percent(lift.always_low), "high": percent(lift.always_high)}
