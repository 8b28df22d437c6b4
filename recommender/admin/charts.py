"""Charts as SVG made on the server: no script, no style attribute, no foreign host; colours come from admin.css."""

import math
from collections.abc import Callable, Sequence
from typing import Final

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

WIDTH: Final = 360.0  # of the drawing, in its own units
HEIGHT: Final = 180.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 10.0, 24.0  # room for the axes' labels
TICKS: Final = 4
LEAST_SPAN: Final = 0.05  # of the highest value, from the lowest to the highest line: noise looks like noise


def line_chart(name: str, values: Sequence[float]) -> SafeString:
    """A curve of one value an epoch, the first at epoch 1; "" without any value.

    Args:
        name: what is drawn, for people who cannot see it.
        values: finite numbers.
    """
    if not values:
        return SafeString("")
    low, high = _bounds(values)
    points = [(_x(i, len(values)), _y(value, low, high)) for i, value in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    described = _("%(name)s: from %(first)s in epoch 1 to %(last)s in epoch %(epochs)s") % {
        "name": name,
        "first": number(values[0]),
        "last": number(values[-1]),
        "epochs": len(values),
    }
    return format_html(
        '<svg class="recommender-line" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '{}{}<polyline points="{}"/><circle cx="{}" cy="{}" r="3.5"/></svg>',
        f"{WIDTH:g}",
        f"{HEIGHT:g}",
        described,
        _grid(low, high),
        _epochs(len(values)),
        path,
        f"{points[-1][0]:.1f}",
        f"{points[-1][1]:.1f}",
    )


def column_chart(name: str, labels: Sequence[str], values: Sequence[int]) -> SafeString:
    """A column a value from zero up, with the first and the last label below; "" without any value.

    Args:
        name: what is drawn, for people who cannot see it.
    """
    if not values:
        return SafeString("")
    high = float((TICKS - 1) * math.ceil(max(1, *values) / (TICKS - 1)))  # whole numbers beside every line
    step = (WIDTH - LEFT - RIGHT) / len(values)
    columns = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (f"{LEFT + step * place:.2f}", f"{_y(value, 0, high):.1f}", f"{0.8 * step:.2f}", _tall(value, high), *told)
            for place, (value, *told) in enumerate(zip(values, labels, map(whole, values), strict=True))
        ),
    )
    described = _("%(name)s: %(total)s from %(first)s to %(last)s, at most %(most)s a day") % {
        "name": name,
        "total": whole(sum(values)),
        "first": labels[0],
        "last": labels[-1],
        "most": whole(max(values)),
    }
    return format_html(
        '<svg class="recommender-line recommender-columns" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>',
        f"{WIDTH:g}",
        f"{HEIGHT:g}",
        described,
        _grid(0, high, whole),
        columns,
        _below([(LEFT, "start", labels[0]), (WIDTH - RIGHT, "end", labels[-1])]),
    )


def bar(share: float, kind: str = "other") -> SafeString:
    """One horizontal bar, stretched to the width of its cell; its number stands beside it as text."""
    return format_html(
        '<svg class="recommender-bar recommender-bar--{}" viewBox="0 0 100 10" preserveAspectRatio="none" '
        'aria-hidden="true"><rect class="track" width="100" height="10"/><rect class="share" width="{}" height="10"/>'
        "</svg>",
        kind,
        f"{100 * min(1.0, max(0.0, share)):.2f}",
    )


def share_text(share: float, decimals: int = 1) -> str:
    """`.123` → "12.3 %" as people here write it."""
    return f"{number_format(round(100 * share, decimals), decimals)} %"  # number_format cuts off


def whole(value: float) -> str:
    """`1469307` → "1,469,307" as people here write it."""
    return str(number_format(round(value), force_grouping=True))


def number(value: float) -> str:
    """Four digits that matter: 0.04173, 1.234, 12.5, 1234."""
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}"


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high == low:
        return low - abs(low or 1.0) / 2, high + abs(high or 1.0) / 2
    missing = max(0.0, LEAST_SPAN * max(abs(low), abs(high)) - (high - low))
    return low - missing / 2, high + missing / 2


def _x(place: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place / (count - 1) if count > 1 else 0.5)


def _y(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)


def _grid(low: float, high: float, write: Callable[[float], str] = number) -> SafeString:
    """Horizontal lines with their values."""
    values = [low + (high - low) * tick / (TICKS - 1) for tick in range(TICKS)]
    rows = [(_y(value, low, high), write(value)) for value in values]
    return format_html_join(
        "",
        '<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (f"{LEFT:g}", f"{WIDTH - RIGHT:g}", f"{y:.1f}", f"{y:.1f}", f"{LEFT - 6:g}", f"{y + 3.5:.1f}", text)
            for y, text in rows
        ),
    )


def _tall(value: float, high: float) -> str:
    return f"{_y(0, 0, high) - _y(value, 0, high):.1f}"


def _epochs(count: int) -> SafeString:
    """The first and the last epoch under the curve, and what the axis is."""
    labels = [(_x(0, count), "start", "1"), (WIDTH / 2 + 20, "middle", _("epoch"))]
    if count > 1:
        labels.append((_x(count - 1, count), "end", str(count)))
    else:
        labels[0] = (LEFT, "start", "1")
    return _below(labels)


def _below(labels: Sequence[tuple[float, str, str]]) -> SafeString:
    """(x, text-anchor, text) of what stands under the drawing."""
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="{}">{}</text>',
        ((f"{x:.1f}", f"{HEIGHT - 7:g}", anchor, text) for x, anchor, text in labels),
    )
