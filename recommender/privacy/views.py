"""What a visitor may ask of us: my data, erase it, how long I may be known, this was not me."""

from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import get_script_prefix
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.capture.consent import NAMES, browser_consent, is_signalled
from recommender.capture.joins import SESSION_KEY, undo_join
from recommender.capture.own_page import is_own_page
from recommender.capture.visitor import consent_of, forget_visitor, own_visitors
from recommender.models import ApiKey
from recommender.privacy.choice import set_consent
from recommender.privacy.erasure import erase, erase_own
from recommender.privacy.export import export_visitors, to_json
from recommender.privacy.serializers import ConsentChoice, ConsentSerializer
from recommender.serving.authentication import VISITOR_PARAMETERS, CallerView, FlatJSONParser
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.schema import documented

DENIED = documented_problem(
    "Not from a page of this shop, a visitor without a key, or a key without the scope.",
    "foreign_origin",
    "Only pages of this shop may ask for this.",
)
NOT_FOR_KEYS = documented_problem(
    "Sent with an API key: consent is a visitor's own.", "not_for_keys", "This is not for apps with an API key."
)
CHOSEN = OpenApiExample("Only this visit", value={"level": "session"}, request_only=True)
HELD = OpenApiResponse(
    ConsentSerializer,
    examples=[
        OpenApiExample("Chosen", value={"level": "session", "chosen": True, "signal": False}, response_only=True)
    ],
)
EXPORTED = OpenApiResponse(
    OpenApiTypes.OBJECT,
    description="Each visitor with the rows of every table that names it.",
    examples=[
        OpenApiExample(
            "An account",
            value={
                "visitors": [
                    {
                        "key": "6f9619ff-8b86-4011-b42d-00cf4fc964ff",
                        "account": "42",
                        "created_at": "2026-11-24T12:00:00Z",
                        "consent": "full",
                        "event": [
                            {"item_id": 981760, "kind": 2, "at": "2026-11-24T12:00:05Z", "item_title": "Strawberries"}
                        ],
                    }
                ]
            },
            response_only=True,
        )
    ],
)
BAD_LEVEL = documented_problem(
    "There is no such level.",
    "invalid",
    "level: Choose one of: none, session, full.",
    level=["Choose one of: none, session, full."],
)
BAD_TYPE = documented_problem(
    "Neither JSON nor a form.", "unsupported_media_type", "Unsupported media type “text/csv” in request."
)
UNKNOWN = documented_problem("There is no such visitor.", "unknown_visitor", "There is no visitor with this key.")


def refuse_other_sites(request: Request) -> None:
    """A page of another site must not choose or erase for its visitors.

    Raises:
        PermissionDenied: the browser says that another site's page sends this.
    """
    if not isinstance(request.auth, ApiKey) and not is_own_page(request._request):
        raise PermissionDenied(_("Only pages of this shop may ask for this."), code="foreign_origin")


class VisitorView(CallerView):
    schema = AutoSchema()
    scopes = {"GET": ApiKey.Scope.EXPORT, "DELETE": ApiKey.Scope.ERASE}

    @documented(
        operation_id="visitor_export",
        summary="Everything that is stored of the caller",
        parameters=VISITOR_PARAMETERS,
        responses={200: EXPORTED, 401: BAD_KEY, 403: DENIED, 404: UNKNOWN},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """As JSON: the account and the browser, or whom an app with a key names; empty where nothing is stored."""
        named = self.named_visitor(request)
        data = export_visitors([named] if named else own_visitors(request._request))
        response = HttpResponse(to_json(data), content_type="application/json")
        response["Content-Disposition"] = 'attachment; filename="my-data.json"'
        response["Cache-Control"] = "private, no-store"
        return response

    @documented(
        operation_id="visitor_erase",
        summary="Forget the caller",
        parameters=VISITOR_PARAMETERS,
        request=None,
        responses={204: None, 401: BAD_KEY, 403: DENIED, 404: UNKNOWN},
    )
    def delete(self, request: Request) -> Response:
        """At once, and for good: what was recorded before this moment and comes late is refused."""
        refuse_other_sites(request)
        named = self.named_visitor(request)
        if named:
            erase(named)
        elif not isinstance(request.auth, ApiKey):
            erase_own(request._request)
        return Response(status=204)


class ConsentView(CallerView):
    parser_classes = (FlatJSONParser, FormParser, MultiPartParser)
    schema = AutoSchema()

    @documented(
        operation_id="consent",
        summary="How long the caller may be known",
        responses={200: HELD, 401: BAD_KEY, 403: NOT_FOR_KEYS},
    )
    def get(self, request: Request) -> Response:
        """What holds for this browser now, and why."""
        return self._answer(request)

    @documented(
        operation_id="consent_choose",
        summary="Choose how long to be known",
        request=ConsentChoice,
        examples=[CHOSEN],
        responses={200: HELD, 303: None, 400: BAD_LEVEL, 401: BAD_KEY, 403: DENIED, 415: BAD_TYPE},
    )
    def post(self, request: Request) -> Response | HttpResponseRedirect:
        """Less than before forgets what was known. With `next`, as a form sends it, leads back there."""
        refuse_other_sites(request)
        choice = ConsentChoice(data=request.data)
        choice.is_valid(raise_exception=True)
        set_consent(request._request, choice.validated_data["level"])
        if REDIRECT_FIELD_NAME in request.data:
            return see_other(request._request, str(request.data[REDIRECT_FIELD_NAME]))
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        plain = request._request
        answer: dict[str, Any] = {
            "level": NAMES[consent_of(plain)],
            "chosen": browser_consent(plain) is not None,
            "signal": is_signalled(plain),
        }
        return Response(ConsentSerializer(answer).data, headers={"Cache-Control": "private, no-store"})


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """Asks (GET) and then gives the history back that a login took over (POST); the token proves the right to it."""
    if request.method != "POST":
        return render(request, "recommender/not_me.html", {"token": token})
    moved = undo_join(token)
    session = getattr(request, "session", None)
    if session is not None and session.get(SESSION_KEY) == token:
        del session[SESSION_KEY]
    forget_visitor(request)
    return render(request, "recommender/not_me.html", {"is_done": True, "moved": moved, "root": get_script_prefix()})


def see_other(request: HttpRequest, target: str) -> HttpResponseRedirect:
    """303 to a page of this shop, or to its root."""
    is_text = "\0" not in target and not any("\ud800" <= letter <= "\udfff" for letter in target)
    is_ours = is_text and url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(target if is_ours else get_script_prefix(), status=303)
