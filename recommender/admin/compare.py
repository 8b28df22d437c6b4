"""Two versions side by side, by what the judge stored when they were trained: nothing is computed anew here."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from recommender.admin.estimates import estimated
from recommender.admin.labels import HEADLINE, METRICS, RANKERS, SEGMENTS, augmentation, duration, label
from recommender.admin.live import elapsed_seconds
from recommender.models import ModelVersion

CLEAR: Final = 2.0  # standard errors
OFFERED: Final = 100  # versions to choose from


@dataclass(frozen=True, slots=True)
class Line:
    """One number of both versions. `verdict`: "better" or "worse" where the second differs clearly, else ""."""

    name: str
    first: str
    second: str
    difference: str = ""
    verdict: str = ""
    simple: str = ""
    visitors: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    help: str
    lines: list[Line]


def comparison(asked: Mapping[str, str]) -> dict[str, Any]:
    """For `compare.html`: the two versions, whether they were judged by the same days, and their numbers."""
    versions = list(ModelVersion.objects.select_related("run").order_by("-pk")[:OFFERED])
    first, second = _chosen(versions, asked)
    context: dict[str, Any] = {"versions": versions, "first": first, "second": second}
    if first is None or second is None:
        return context
    starts = [(version.verdict.get("holdout") or {}).get("start") for version in (first, second)]
    return context | {
        "is_same_split": starts[0] is not None and starts[0] == starts[1],
        "groups": [group for group in _groups(first, second) if group.lines],
        "facts": list(_facts(first, second)),
        "estimates": [
            estimated(version)
            for version in (first, second)
            if version.estimated_clicks or (version.has_vectors and not version.is_live)
        ],
    }


def _chosen(versions: list[ModelVersion], asked: Mapping[str, str]) -> tuple[ModelVersion | None, ModelVersion | None]:
    """Those that were asked for; else the live one and the newest other one."""
    by_key = {str(version.pk): version for version in versions}
    live = next((version for version in versions if version.is_live), versions[0] if versions else None)
    first = by_key.get(asked.get("a", ""), live)
    second = by_key.get(asked.get("b", ""), next((version for version in versions if version != first), None))
    return first, second


def _groups(first: ModelVersion, second: ModelVersion) -> Iterator[Group]:
    measured = [version.verdict.get("metrics") or {} for version in (first, second)]
    yield Group(
        _("All visitors"),
        _("1 is perfect."),
        [
            _line(str(name), measured[0]["ours"].get(metric), measured[1]["ours"].get(metric))
            for metric, (name, _meaning) in METRICS.items()
            if all(metric in each.get("ours", {}) for each in measured)
        ],
    )
    segments = [version.verdict.get("segments") or {} for version in (first, second)]
    for title, help_text, names in _segment_groups():
        shared = [name for name in names if all(name in each for each in segments)]
        yield Group(title, help_text, [_segment(name, segments[0][name], segments[1][name]) for name in shared])


def _segment_groups() -> list[tuple[str, str, tuple[str, ...]]]:
    """(title, explanation, segments)."""
    return [
        (
            _("By visitor"),
            _("NDCG@10 by how many different products a visitor had taken before."),
            ("new_visitors", "light_visitors", "heavy_visitors"),
        ),
        (
            _("By product"),
            _("NDCG@10 where only the best sellers that make half of all sales count, or only the others."),
            ("head_items", "tail_items"),
        ),
        (
            _("By intent"),
            _("NDCG@10 where only what the visitor had taken before counts, or only what is new to the visitor."),
            ("repeat", "explore"),
        ),
    ]


def _segment(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Line:
    before, after = (each[HEADLINE]["ours"] if each["visitors"] else None for each in (first, second))
    simple = {who: value for who, value in second[HEADLINE].items() if who != "ours"}
    best = max(simple, key=lambda who: simple[who]) if simple and second["visitors"] else ""
    return _line(
        label(SEGMENTS, name),
        before,
        after,
        error=math.hypot(first["error"], second["error"]),
        simple=f"{simple[best]:.4f} {label(RANKERS, best)}" if best else "",
        visitors=f"{first['visitors']} / {second['visitors']}",
    )


def _line(name: str, first: float | None, second: float | None, error: float | None = None, **rest: str) -> Line:
    before, after = ("–" if value is None else f"{value:.4f}" for value in (first, second))
    if first is None or second is None:
        return Line(name, before, after, **rest)
    gain = second - first
    difference = f"{gain:+.4f}" + (f" ± {error:.4f}" if error else "")
    is_clear = error is not None and error > 0 and abs(gain) > CLEAR * error
    return Line(name, before, after, difference, ("better" if gain > 0 else "worse") if is_clear else "", **rest)


def _facts(first: ModelVersion, second: ModelVersion) -> Iterator[Line]:
    def both(name: str, tell: Any) -> Line:
        return Line(name, str(tell(first)), str(tell(second)))

    yield both(_("Judged from"), lambda version: ((version.verdict.get("holdout") or {}).get("start") or "–")[:10])
    yield both(_("By so many visitors"), lambda version: (version.verdict.get("holdout") or {}).get("visitors", "–"))
    yield both(_("Random seed"), lambda version: version.run.seed)
    yield both(_("Effort"), lambda version: version.run.effort or _("as set"))
    yield both(_("Augmentation"), lambda version: augmentation(version) or "–")
    yield both(_("Training took"), lambda version: duration(elapsed_seconds(version.run)) or "–")
    yield both(_("Items"), lambda version: number_format(version.item_count, force_grouping=True))
    yield both(_("Dimensions"), lambda version: version.dim)
