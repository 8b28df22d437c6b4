"""Lifts with their intervals as SVG made on the server: no script, no style attribute; colours come from admin.css."""

from collections.abc import Sequence
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from recommender.experiments.lift import Lift

WIDTH: Final = 400.0
ROW: Final = 26.0
EDGE: Final = 14.0  # free at both ends
MOST: Final = 2.0  # 200 %: what reaches further is cut off there, or nothing else could be told apart


def interval_chart(lifts: Sequence[Lift]) -> list[SafeString]:
    """One picture a lift, all on the same scale: a dot, the interval of one look, the one that always holds, zero."""
    ends = [end for lift in lifts for end in (lift.always_low, lift.always_high)]
    low, high = max(min([0.0, *ends]), -1.0), min(max([0.01, *ends]), MOST)

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return EDGE + (WIDTH - 2 * EDGE) * share

    return [_picture(lift, x(0.0), [x(value) for value in _values(lift)]) for lift in lifts]


def percent(value: float) -> str:
    """.123 → "+12.3 %"; nothing falls by more than all of it, whatever an interval says."""
    return f"{100 * max(value, -1.0):+.1f} %"


def _values(lift: Lift) -> list[float]:
    return [lift.always_low, lift.low, lift.estimate, lift.high, lift.always_high]


def _picture(lift: Lift, zero: float, places: list[float]) -> SafeString:
    always_low, low, estimate, high, always_high = (f"{place:.1f}" for place in places)
    kind = "better" if lift.is_above_zero else "worse" if lift.is_below_zero else "open"
    described = _("%(lift)s, surely between %(low)s and %(high)s") % {
        "lift": percent(lift.estimate),
        "low": percent(lift.always_low),
        "high": percent(lift.always_high),
    }
    middle = f"{ROW / 2:g}"
    lines = format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        (
            ("zero", f"{zero:.1f}", f"{zero:.1f}", "0", f"{ROW:g}"),
            ("always", always_low, always_high, middle, middle),
            ("once", low, high, middle, middle),
        ),
    )
    return format_html(
        '<svg class="recommender-interval recommender-interval--{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '{}<circle cx="{}" cy="{}" r="5"/></svg>',
        kind,
        f"{WIDTH:g}",
        f"{ROW:g}",
        described,
        lines,
        estimate,
        middle,
    )
