"""`VisitorMiddleware` stands behind SessionMiddleware and AuthenticationMiddleware, `EventsMiddleware` before them."""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils import translation

from recommender.capture.views import events
from recommender.capture.visitor import write_cookie
from recommender.conf import conf
from recommender.privacy.choice import forget_what_was_withdrawn
from recommender.serving.warm import warmer

logger = logging.getLogger(__name__)

NAMED_BY: Final = ("HTTP_AUTHORIZATION", "REMOTE_USER")  # an API key, or an account that the web server knows


class VisitorMiddleware:
    """Sets the visitor's cookie where a request made a new visitor; takes it away at login, logout and withdrawal.

    Where it is made, a web process begins: what lists need is loaded from here on, beside the first pages.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        warmer.begin()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        warmer.note_request()
        try:
            forget_what_was_withdrawn(request)
        except Error:
            # The cookie stays, so the browser's next request tries again.
            logger.warning("A visitor who withdrew consent could not be forgotten yet.", exc_info=True)
        response = self.get_response(request)
        write_cookie(request, response)
        return response


class EventsMiddleware:
    """Answers `POST events/` of a browser without a session at once: the middleware behind it has nothing to add.

    Put it before SessionMiddleware, and behind whatever must see every request: SecurityMiddleware, tenants, a block
    list. Who may be logged in, or is asked for consent by the shop's own hook, goes the long way. A shop whose accounts
    are known by another cookie than the session's leaves it out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._answer = VisitorMiddleware(events)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not _is_short(request):
            return self.get_response(request)
        request.get_host()  # raises DisallowedHost, as CommonMiddleware would: `is_own_page` relies on the name
        with translation.override(translation.get_language_from_request(request)):
            return self._answer(request)


def _is_short(request: HttpRequest) -> bool:
    if request.method != "POST" or not request.path.endswith("/events/"):
        return False
    may_be_known = settings.SESSION_COOKIE_NAME in request.COOKIES or not request.META.keys().isdisjoint(NAMED_BY)
    if may_be_known or conf.CONSENT_HOOK:
        return False
    return request.path == _events_path(get_urlconf() or settings.ROOT_URLCONF, get_script_prefix())


@lru_cache(maxsize=16)
def _events_path(urlconf: str, prefix: str) -> str | None:
    """Kept, since `reverse` takes as long as all other checks together; `prefix` stands in what it answers."""
    try:
        return reverse("recommender:events", urlconf)
    except NoReverseMatch:  # this host has other URLs
        return None
