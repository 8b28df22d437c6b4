"""What the judge found in detail, in words and pictures: segments, calibration, reliability."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from recommender.admin.charts import bar, number, share_text
from recommender.admin.labels import HEADLINE, RANKERS, SEGMENTS, label
from recommender.admin.plots import calibration_plot
from recommender.evaluation.gate import MIN_VISITORS


def judged(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """For `judged.html`; empty lists for a version of older code."""
    calibration = verdict.get("calibration") or []
    return {
        "segments": [
            _segment(name, each) for name, each in (verdict.get("segments") or {}).items() if each["visitors"]
        ],
        "calibration": [{name: number(value) for name, value in row.items()} for row in calibration],
        "calibration_plot": calibration_plot(calibration) if calibration else "",
        "reliability": [_history(row) for row in verdict.get("by_history") or []],
    }


def asked_too_few(verdict: Mapping[str, Any]) -> int | None:
    """How many visitors were asked, where the gate did not compare for want of them; else None."""
    asked = (verdict.get("holdout") or {}).get("visitors")
    return None if asked is None or asked >= MIN_VISITORS else int(asked)


def _segment(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    values = found[HEADLINE]
    simple = {who: value for who, value in values.items() if who != "ours"}
    best = max(simple, key=lambda who: simple[who]) if simple else ""
    return {
        "name": label(SEGMENTS, name),
        "visitors": found["visitors"],
        "ours": f"{values['ours']:.4f}",
        "error": f"{found['error']:.4f}",
        "simple": f"{simple[best]:.4f}" if best else "–",
        "simple_name": label(RANKERS, best) if best else "",
        "is_better": bool(best) and values["ours"] > simple[best],
    }


def _history(row: Mapping[str, Any]) -> dict[str, Any]:
    lengths = {"low": row["from"], "high": row["to"]}
    if row["to"] is None:
        name = _("%(low)s products and more") % lengths
    elif row["to"] == row["from"]:
        name = _("%(low)s product") % lengths
    else:
        name = _("%(low)s to %(high)s products") % lengths
    return {
        "name": name,
        "visitors": row["visitors"],
        "quality": f"{row['ndcg@10']:.4f} ± {row['error']:.4f}",
        "promised": share_text(row["predicted"]),
        "came": share_text(row["observed"]),
        "promised_bar": bar(row["predicted"]),
        "came_bar": bar(row["observed"], "ours"),
    }
