"""Who calls the API: a browser by its session and cookie, or another app by `Authorization: Api-Key <key>`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound, ParseError, PermissionDenied
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api_keys import SCHEME, key_in_header, require_scope, verify_key
from recommender.capture.accounts import visitor_named
from recommender.exceptions import MissingScope, VisitorNotFound
from recommender.models import ApiKey, Visitor
from recommender.serving.problems import answer_problem

NAMES_A_VISITOR: Final = ("visitor", "user")
VISITOR_PARAMETERS: Final = [
    OpenApiParameter("visitor", OpenApiTypes.UUID, description="Key of the visitor; only with an API key."),
    OpenApiParameter("user", OpenApiTypes.STR, description="Primary key of the account; only with an API key."),
]


class ApiKeyAuthentication(BaseAuthentication):
    """`request.auth` is the ApiKey of the calling app; nobody is logged in by it. For views that are a `CallerView`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        plaintext = key_in_header(request.META.get("HTTP_AUTHORIZATION", ""))
        if plaintext is None:
            return None
        key = request.parser_context["view"].verify_key(plaintext)
        if key is None:
            raise AuthenticationFailed(_("This API key is unknown or was revoked."), code="bad_key")
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Names the header in the OpenAPI document."""

    target_class = ApiKeyAuthentication
    name = "ApiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        description = (
            "`Api-Key <key>`: another app, which names the visitor. Made in admin or by `recommender_api_key`."
        )
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": description}


class IsApp(BasePermission):
    """Only for apps with a key; 401 for everybody else."""

    def has_permission(self, request: Request, view: "CallerView") -> bool:
        return isinstance(request.auth, ApiKey)


class KeyHasScope(BasePermission):
    """An app's key must have been made for the method; whoever comes without a key is judged by the view."""

    def has_permission(self, request: Request, view: "CallerView") -> bool:
        is_offered = hasattr(view, request.method.lower())  # else the answer is 405, whoever asks
        if not isinstance(request.auth, ApiKey) or not is_offered:
            return True
        scope = view.scopes.get("GET" if request.method == "HEAD" else request.method)
        if scope is None:
            raise PermissionDenied(_("This is not for apps with an API key."), code="not_for_keys")
        try:
            require_scope(request.auth, scope)
        except MissingScope as error:
            raise PermissionDenied(str(error), code="missing_scope") from error
        return True


class OwnRules:
    """What a project's REST_FRAMEWORK says of its own API, its versions and limits for example, holds for none of our
    views: with a version in the address each of them would be 404."""

    versioning_class = None
    throttle_classes: Sequence[Any] = ()
    content_negotiation_class = DefaultContentNegotiation


class FlatJSONParser(JSONParser):
    """JSON that is nested thousands deep, deeper than Python reads, is a wrong body like any other: 400."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError as error:
            raise ParseError(_("This is not JSON: %(error)s") % {"error": error}) from error


class CallerView(OwnRules, APIView):
    """A view of ours: who may call it, and whom the call is about.

    `scopes`: HTTP method → the scope that an app's key needs for it; a method that is not named takes no key.
    `verify_key`: the plain text of a key → the key, None for a wrong one.
    """

    scopes: ClassVar[Mapping[str, ApiKey.Scope]] = {}
    verify_key = staticmethod(verify_key)
    # The key first: its scheme is the one that a 401 names.
    authentication_classes: Sequence[Any] = (ApiKeyAuthentication, SessionAuthentication)
    permission_classes: Sequence[Any] = (AllowAny, KeyHasScope)  # AllowAny says in OpenAPI that a key is not needed
    parser_classes: Sequence[Any] = (FlatJSONParser,)
    renderer_classes = (JSONRenderer,)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """One shape for all errors of ours, whatever the project's own API looks like."""
        return answer_problem

    def handle_exception(self, exc: Exception) -> Response:
        """What Django itself refuses to read, thousands of parameters for example, is an answer in JSON, too."""
        return super().handle_exception(ParseError(str(exc)) if isinstance(exc, SuspiciousOperation) else exc)

    def named_visitor(self, request: Request) -> Visitor | None:
        """Whom an app with a key names; None where nobody is named.

        Raises:
            PermissionDenied: somebody without a key names a visitor.
            NotFound: there is no such visitor.
        """
        named = {name: request.query_params[name] for name in NAMES_A_VISITOR if name in request.query_params}
        if not named:
            return None
        if not isinstance(request.auth, ApiKey):
            raise PermissionDenied(_("Only an app with an API key may name a visitor."), code="key_needed")
        try:
            return visitor_named(named)
        except VisitorNotFound as error:
            raise NotFound(str(error), code="unknown_visitor") from error
