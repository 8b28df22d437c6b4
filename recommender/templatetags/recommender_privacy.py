"""`{% load recommender_privacy %}`: controls for the footer and the account page. Plain forms; no script is needed.

{% recommender_consent %}     buttons: not at all, for this visit, always
{% recommender_opinions %}    what the visitor said of recommended items, each with a button that takes it back
{% recommender_not_me %}      after a login that took a browser's history over: a link that undoes it
"""

import logging
from secrets import token_hex
from typing import Any, Final

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.capture.consent import NAMES, Consent, is_signalled
from recommender.capture.joins import SESSION_KEY
from recommender.feedback.own import opinions_of
from recommender.serving.caller import ask_in_time, keep_from_others, reader_of, visitor_of_page

register = template.Library()

logger = logging.getLogger(__name__)

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
    level, account = reader_of(request)
    return {
        "level": NAMES[level],
        "levels": TITLES,
        "next": request.get_full_path(),
        "is_signalled": is_signalled(request),
        "heading_id": f"recommender-{token_hex(4)}",
        # Only somebody who is logged in needs the token; for others it would set a cookie.
        "is_logged_in": account is not None,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("recommender/opinions.html", takes_context=True)
def recommender_opinions(context: Context) -> dict[str, Any]:
    """What holds now; without consent that nothing is, and nothing at all where the database does not say in time."""
    request = context.get("request")
    level, _account = reader_of(request) if request is not None else (Consent.NONE, None)
    if request is None or level is Consent.NONE:
        return {}
    visitor = visitor_of_page(request)
    said = ask_in_time(lambda: opinions_of(visitor)) if visitor is not None else []
    return {"opinions": said, "is_known": said is not None, "takes_feedback": True, "next": request.get_full_path()}


@register.simple_tag(takes_context=True)
def recommender_not_me(context: Context, text: str | None = None) -> SafeString:
    """A link to undo what the login took over; nothing where it took nothing over. Asks no database."""
    request = context.get("request")
    token = _join_of(request)
    if request is None or not token:
        return SafeString("")
    keep_from_others(request)
    url = reverse("recommender:not_me", args=[token])
    return format_html('<a class="rec-not-me" href="{}" rel="nofollow">{}</a>', url, text or _("This was not me"))


def _join_of(request: Any) -> str | None:
    """The token of the join that this login made."""
    session = getattr(request, "session", None)
    try:
        return session.get(SESSION_KEY) if session is not None else None
    except Exception:
        # The session's store is the shop's: it may raise anything, and an async view may not ask it.
        logger.exception("The link to undo a login is left out.")
        return None
