"""`{% load recommender_privacy %}`: controls for the footer and the account page. Plain forms; no script is needed.

{% recommender_consent %}     buttons: not at all, for this visit, always
{% recommender_not_me %}      after a login that took a browser's history over: a link that undoes it
"""

from secrets import token_hex
from typing import Any, Final

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.capture.consent import NAMES, is_signalled
from recommender.capture.joins import SESSION_KEY
from recommender.serving.caller import consent_or_none

register = template.Library()

TITLES: Final = (
    ("none", gettext_lazy("not at all")),
    ("session", gettext_lazy("for this visit")),
    ("full", gettext_lazy("always")),
)


@register.inclusion_tag("recommender/consent.html", takes_context=True)
def recommender_consent(context: Context) -> dict[str, Any]:
    """The choice of how long to be known; the level that holds now is pressed."""
    request = context.get("request")
    if request is None:
        return {}  # a page without the request's context processor goes on without the control
    return {
        "level": NAMES[consent_or_none(request)],
        "levels": TITLES,
        "next": request.get_full_path(),
        "is_signalled": is_signalled(request),
        "heading_id": f"recommender-{token_hex(4)}",
        # Only somebody who is logged in needs the token; for others it would set a cookie.
        "is_logged_in": getattr(getattr(request, "user", None), "is_authenticated", False),
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag(takes_context=True)
def recommender_not_me(context: Context, text: str | None = None) -> SafeString:
    """A link to undo what the login took over; nothing where it took nothing over. Asks no database."""
    session = getattr(context.get("request"), "session", None)
    token = session.get(SESSION_KEY) if session is not None else None
    if not token:
        return SafeString("")
    url = reverse("recommender:not_me", args=[token])
    return format_html('<a class="rec-not-me" href="{}" rel="nofollow">{}</a>', url, text or _("This was not me"))
