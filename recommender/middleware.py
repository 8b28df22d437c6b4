"""Put `recommender.middleware.VisitorMiddleware` behind SessionMiddleware and AuthenticationMiddleware."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from recommender.capture.visitor import write_cookie


class VisitorMiddleware:
    """Sets the visitor's cookie where a request made a new visitor, and removes it at login and logout."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        write_cookie(request, response)
        return response
