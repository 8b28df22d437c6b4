"""For the plugin's admin templates only.

Django imports every tag library at the first template, so what needs django.contrib.admin is imported in the functions:
a shop without the admin still renders its pages.
"""

from datetime import datetime
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from recommender.feedback.satisfaction import satisfaction
from recommender.models import Event, ModelVersion, TrainingRun

register = template.Library()


@register.inclusion_tag("admin/recommender/overview.html", takes_context=True)
def recommender_overview(context: RequestContext) -> dict[str, Any]:
    """The box above the plugin's tables: what is live, how the last training went, whether events arrive."""
    from recommender.admin.live import live_context

    run = TrainingRun.objects.order_by("-pk").first()
    newest = Event.objects.order_by("-at").values_list("at", flat=True).first()
    return {
        **(live_context(run) if run else {}),
        "run": run,
        "live": ModelVersion.objects.filter(is_live=True).first(),
        "newest": newest,
        "satisfaction": satisfaction(),
        "perms": context.get("perms"),
        "csrf_token": context.get("csrf_token"),
    }


@register.filter
def grouped(value: Any) -> str:
    """`1469307` → "1,469,307" as people here write it; what is no whole number stays as it is."""
    return number_format(value, force_grouping=True) if isinstance(value, int) else str(value)


@register.filter
def share(value: float) -> str:
    """`.0123` → "1.23 %" as people here write it."""
    return f"{number_format(round(100 * value, 2), 2)} %"  # number_format cuts off


@register.filter
def money(cents: float) -> str:
    """`1234.5` cents → "12.35" as people here write it; the currency is the shop's."""
    return number_format(round(cents / 100, 2), 2)


@register.filter
def unlocalised(value: float) -> str:
    """A number as form fields want it, with a point, whatever language is spoken."""
    return f"{value:g}"


@register.filter
def percent(share: float) -> str:
    """`0.75` → "75 %"."""
    return f"{100 * share:.0f} %"


@register.filter
def day(iso: str) -> str:
    """`"2017-12-01T00:00:00+00:00"` → the date as people here write it; "" for what is no time."""
    try:
        return date_format(datetime.fromisoformat(iso))
    except (TypeError, ValueError):
        return ""


@register.simple_tag
def version_badge(version: ModelVersion) -> SafeString:
    """Live, removed, refused …, as a coloured word."""
    from recommender.admin.versions import status

    kind, text = status(version)
    return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>', kind, text)
