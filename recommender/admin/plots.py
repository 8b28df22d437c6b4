"""Pictures as SVG made on the server, with the numbers beside them: no script, no style attribute, no foreign host."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from recommender.admin.charts import number

SIDE: Final = 300.0  # of the square drawings, in their own units
MARGIN: Final = 58.0
FLOOR: Final = 1e-4  # the lowest share that is drawn on a logarithmic axis
COLUMNS_WIDE, COLUMNS_HIGH = 380.0, 130.0
COLUMNS_LEFT, COLUMNS_BOTTOM = 40.0, 22.0


def calibration_plot(rows: Sequence[Mapping[str, float]]) -> SafeString:
    """What was promised against what came, both on logarithmic axes; on the diagonal a score is exactly right.

    Args:
        rows: see `evaluation.segments.calibration`.
    """
    top = max((max(row["predicted"], row["observed"] + row["error"]) for row in rows), default=1.0)
    scale = _Log(FLOOR, max(top, 10 * FLOOR))
    return format_html(
        '<svg class="recommender-plot" viewBox="0 {0}" role="img" aria-label="{1}">{2}'
        '<line class="ideal" x1="{3}" x2="{4}" y1="{4}" y2="{3}"/>{5}{6}'
        '<text x="{7}" y="{8}" text-anchor="middle">{9}</text>'
        '<text x="12" y="{7}" text-anchor="middle" transform="rotate(-90 12 {7})">{10}</text></svg>',
        f"{MARGIN - 14:g} {SIDE - MARGIN + 20:g} {SIDE - 2 * MARGIN + 56:g}",
        _("Calibration: promised share against the share that came; the numbers are in the table."),
        _ticks(scale),
        _n(MARGIN),
        _n(SIDE - MARGIN),
        _errors(rows, scale),
        _dots(rows, scale),
        _n(SIDE / 2),
        _n(SIDE - MARGIN + 36),
        _("promised"),
        _("came"),
    )


@dataclass(frozen=True, slots=True)
class _Log:
    low: float
    high: float

    def __call__(self, value: float) -> float:
        """0 at `low` or below, 1 at `high`."""
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return min(1.0, share)


def _errors(rows: Sequence[Mapping[str, float]], scale: _Log) -> SafeString:
    """A standard error up and down from each dot."""
    ends = ((row["predicted"], row["observed"] - row["error"], row["observed"] + row["error"]) for row in rows)
    return format_html_join(
        "",
        '<line class="error" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>',
        ((_n(_x(scale(at))), _n(_y(scale(low))), _n(_y(scale(high)))) for at, low, high in ends),
    )


def _dots(rows: Sequence[Mapping[str, float]], scale: _Log) -> SafeString:
    said = _("promised %(predicted)s, came %(observed)s")
    return format_html_join(
        "",
        '<circle cx="{}" cy="{}" r="4"><title>{}</title></circle>',
        (
            (
                _n(_x(scale(row["predicted"]))),
                _n(_y(scale(row["observed"]))),
                said % {"predicted": number(row["predicted"]), "observed": number(row["observed"])},
            )
            for row in rows
        ),
    )


def _ticks(scale: _Log) -> SafeString:
    decades = [10.0**power for power in range(-4, 1) if scale.low <= 10.0**power <= scale.high]
    return format_html_join(
        "",
        '<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<line class="grid" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>'
        '<text x="{0}" y="{4}" text-anchor="middle">{5}</text><text x="{6}" y="{7}" text-anchor="end">{5}</text>',
        (
            (
                _n(_x(scale(value))),
                _n(MARGIN),
                _n(SIDE - MARGIN),
                _n(_y(scale(value))),
                _n(SIDE - MARGIN + 14),
                f"{value:g}",
                _n(MARGIN - 5),
                _n(_y(scale(value)) + 4),
            )
            for value in decades
        ),
    )


def columns(name: str, days: Sequence[tuple[str, float]]) -> SafeString:
    """One column a day, the oldest first; "" without any.

    Args:
        name: what is drawn, for people who cannot see it. days: (label, value ≥ 0).
    """
    if not days:
        return SafeString("")
    top = max(value for _label, value in days) or 1.0
    total = sum(value for _label, value in days)
    said = _("%(name)s: %(days)s days, %(sum)s in all, at most %(top)s a day")
    base, foot = _n(COLUMNS_HIGH - COLUMNS_BOTTOM), _n(COLUMNS_HIGH - 6)
    texts = (
        (_n(COLUMNS_LEFT - 6), "14", "end", f"{top:,.0f}"),
        (_n(COLUMNS_LEFT), foot, "start", days[0][0]),
        (_n(COLUMNS_WIDE), foot, "end", days[-1][0]),
    )
    return format_html(
        '<svg class="recommender-columns" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}'
        '<line class="base" x1="{4}" x2="{0}" y1="{5}" y2="{5}"/>{6}</svg>',
        _n(COLUMNS_WIDE),
        _n(COLUMNS_HIGH),
        said % {"name": name, "days": len(days), "sum": f"{total:,.0f}", "top": f"{top:,.0f}"},
        _columns(days, top),
        _n(COLUMNS_LEFT),
        base,
        format_html_join("", '<text x="{}" y="{}" text-anchor="{}">{}</text>', texts),
    )


def _columns(days: Sequence[tuple[str, float]], top: float) -> SafeString:
    wide = (COLUMNS_WIDE - COLUMNS_LEFT) / len(days)
    base = COLUMNS_HIGH - COLUMNS_BOTTOM
    heights = [(base - 8) * value / top for _label, value in days]
    return format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (_n(COLUMNS_LEFT + place * wide), _n(base - high), _n(max(wide - 2, 1)), _n(high), label, f"{value:,.0f}")
            for place, ((label, value), high) in enumerate(zip(days, heights, strict=True))
        ),
    )


def scatter(points: Sequence[Mapping[str, Any]]) -> SafeString:
    """Points with names on hover, each a link. For the eye and the mouse only: a table stands beside it.

    Args:
        points: {"x", "y": 0..1, "colour": 0..9, "title", "url"}.
    """
    side = 1000.0
    dots = format_html_join(
        "",
        '<a href="{}" tabindex="-1"><circle class="colour-{}" cx="{}" cy="{}" r="7"><title>{}</title></circle></a>',
        (
            (
                point["url"],
                point["colour"],
                f"{10 + point['x'] * (side - 20):.0f}",
                f"{10 + point['y'] * (side - 20):.0f}",
                point["title"],
            )
            for point in points
        ),
    )
    drawing = '<svg class="recommender-map" viewBox="0 0 {0} {0}" aria-hidden="true">{1}</svg>'
    return format_html(drawing, _n(side), dots)


def _x(share: float) -> float:
    return MARGIN + share * (SIDE - 2 * MARGIN)


def _y(share: float) -> float:
    return SIDE - MARGIN - share * (SIDE - 2 * MARGIN)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
