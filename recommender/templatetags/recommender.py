"""`{% load recommender %}`: the lists as HTML. A list that is empty or fails renders nothing; the page goes on.

Every list tag takes n=, title=, exclude= (an item, a key, or several) and template= (instead of recommender/list.html):

    {% recommended_for_you n=12 %}                {% buy_again %}       {% recently_viewed exclude=product %}
    {% similar_items product title=_("Like it") %}   {% bought_together product n=4 %}

Once a page: {% recommender_styles %} in the head, {% recommender_beacon %} at the end of the body.
"""

from collections.abc import Iterable
from secrets import token_hex
from typing import Any, Final

from django import template
from django.db.models import Model
from django.template.context import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from recommender.capture.consent import Consent
from recommender.conf import conf
from recommender.serving import query as placements
from recommender.serving.caller import consent_for_page, consent_or_none, visitor_or_none
from recommender.serving.cards import card
from recommender.serving.query import NEED_ITEM, Query
from recommender.serving.recommend import recommend

register = template.Library()

NOTHING: Final = SafeString("")


@register.simple_tag(takes_context=True)
def recommended_for_you(context: Context, *, title: str | None = None, **options: Any) -> SafeString:
    """Ranked for this visitor; what is popular for somebody new."""
    return _render(context, placements.FOR_YOU, title, **options)


@register.simple_tag(takes_context=True)
def similar_items(context: Context, item: Any, *, title: str | None = None, **options: Any) -> SafeString:
    """Items like this one."""
    return _render(context, placements.SIMILAR_ITEMS, title, item=item, **options)


@register.simple_tag(takes_context=True)
def bought_together(context: Context, item: Any, *, title: str | None = None, **options: Any) -> SafeString:
    """What others bought together with this item."""
    return _render(context, placements.BOUGHT_TOGETHER, title, item=item, **options)


@register.simple_tag(takes_context=True)
def recently_viewed(context: Context, *, title: str | None = None, **options: Any) -> SafeString:
    """What this visitor looked at, newest first."""
    return _render(context, placements.RECENTLY_VIEWED, title, **options)


@register.simple_tag(takes_context=True)
def buy_again(context: Context, *, title: str | None = None, **options: Any) -> SafeString:
    """What this visitor buys again and again."""
    return _render(context, placements.BUY_AGAIN, title, **options)


@register.simple_tag(takes_context=True)
def recommender_styles(context: Context) -> SafeString:
    """The style sheet of the lists."""
    return format_html('<link rel="stylesheet" href="{}"{}>', static("recommender/widgets.css"), _nonce(context))


@register.simple_tag(takes_context=True)
def recommender_beacon(context: Context) -> SafeString:
    """The script that reports what is done and seen; nothing inline, so a strict CSP needs no exception."""
    return format_html(
        '<script defer src="{}" data-endpoint="{}" data-consent="{}" data-cookie="{}"{}></script>',
        static("recommender/beacon.js"),
        reverse("recommender:events"),
        consent_for_page(context.get("request")),
        conf.CONSENT_COOKIE,
        _nonce(context),
    )


def _render(
    context: Context,
    placement: str,
    title: str | None,
    *,
    item: Any = None,
    n: int | None = None,
    exclude: Any = None,
    template: str = "recommender/list.html",
) -> SafeString:
    """The list as HTML, nothing where it is empty."""
    if placement in NEED_ITEM and item in (None, ""):
        return NOTHING
    request = context.get("request")
    visitor = visitor_or_none(request) if request else None
    length = min(n or conf.LIST_LENGTH, conf.MAX_LIST_LENGTH)
    found = recommend(Query(placement, visitor, length, _key(item), _keys(exclude)))
    if not found.entries:
        return NOTHING
    shown = {
        "title": title or placements.TITLES[placement],
        "placement": placement,
        "rung": found.rung,
        "token": found.token,
        "heading_id": f"recommender-{token_hex(4)}",  # the same list may stand on a page twice
        "cards": [card(entry) for entry in found.entries],
        **_feedback(context),
    }
    engine = context.template.engine  # type: ignore[union-attr]  # set while a template is rendered
    rendered = engine.get_template(template).render(context.new(shown))
    return mark_safe(rendered)  # noqa: S308  a template's output


def _feedback(context: Context) -> dict[str, Any]:
    """What the buttons of the cards need: nothing for whoever may not be remembered."""
    request = context.get("request")
    if request is None or consent_or_none(request) is Consent.NONE:
        return {}
    return {
        "takes_feedback": True,
        "next": request.get_full_path(),
        # Only somebody who is logged in needs the token; for others it would set a cookie.
        "is_logged_in": getattr(getattr(request, "user", None), "is_authenticated", False),
        "csrf_token": context.get("csrf_token"),
    }


def _nonce(context: Context) -> SafeString:
    """The attribute for a policy with nonces, from Django 6 (`csp_nonce`) or django-csp (`request.csp_nonce`)."""
    nonce = context.get("csp_nonce") or getattr(context.get("request"), "csp_nonce", "")
    return format_html(' nonce="{}"', nonce) if nonce else NOTHING


def _key(item: Any) -> Any:
    return item.pk if isinstance(item, Model) else item


def _keys(items: Any) -> frozenset[Any]:
    """An item, a key, or several of either → keys; what a template leaves empty is no key."""
    several = items if isinstance(items, Iterable) and not isinstance(items, str) else [items]
    return frozenset(_key(item) for item in several if item not in (None, ""))
