"""What a version would earn, estimated before anyone sees it: in words, numbers and a picture."""

from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.admin.intervals import interval_chart, percent
from recommender.admin.verdicts import Verdict
from recommender.estimated_clicks import ClickEstimate
from recommender.experiments.lift import Lift
from recommender.models import ModelVersion
from recommender.templatetags.recommender_admin import share

NAMES: Final = {
    "doubly_robust": gettext_lazy("Doubly robust"),
    "ips": gettext_lazy("Inverse propensities"),
    "snips": gettext_lazy("The same, normalised"),
}


def estimated(version: ModelVersion) -> dict[str, Any]:
    """For `estimated.html`; only the version where nothing was estimated yet."""
    if version.estimated_clicks is None:
        return {"version": version}
    found = ClickEstimate.from_json(version.estimated_clicks)
    gain = found.gain
    return {
        "version": version,
        "found": found,
        "verdict": _verdict(found, gain),
        "chart": interval_chart([gain])[0] if gain else "",
        "served": share(found.estimate.served.mean),
        "rows": [] if found.withheld else [_row(*rate) for rate in found.rates()],
    }


def _verdict(found: ClickEstimate, gain: Lift | None) -> Verdict:
    if found.withheld:
        return Verdict("queued", _("withheld"), found.withheld)
    if gain is None:
        return Verdict("refused", _("open"), _("It would earn what was served."))
    text = _("%(gain)s clicks than what was served to the same visitors; between %(low)s and %(high)s.") % {
        "gain": percent(gain.estimate),
        "low": percent(gain.low),
        "high": percent(gain.high),
    }
    if gain.low > 0:
        return Verdict("live", _("better"), text)
    return Verdict("failed", _("worse"), text) if gain.high < 0 else Verdict("refused", _("open"), text)


def _row(name: str, mean: float, interval: Lift | None) -> dict[str, str]:
    text = "" if interval is None else _("%(low)s to %(high)s")
    ends = {} if interval is None else {"low": share(max(interval.low, 0.0)), "high": share(interval.high)}
    return {"name": str(NAMES[name]), "rate": share(mean), "interval": text % ends}
