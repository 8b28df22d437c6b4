"""Put `recommender.middleware.VisitorMiddleware` behind SessionMiddleware and AuthenticationMiddleware."""

import logging
from collections.abc import Callable

from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from recommender.capture.visitor import write_cookie
from recommender.privacy.choice import forget_what_was_withdrawn

logger = logging.getLogger(__name__)


class VisitorMiddleware:
    """Sets the visitor's cookie where a request made a new visitor; takes it away at login, logout and withdrawal."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            forget_what_was_withdrawn(request)
        except Error:
            # The cookie stays, so the browser's next request tries again.
            logger.warning("A visitor who withdrew consent could not be forgotten yet.", exc_info=True)
        response = self.get_response(request)
        write_cookie(request, response)
        return response
