""" "Not for me" and "more like this": a form of two buttons a card, which works without scripts, too; and the list of
what was said, each with a button that takes it back."""

from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import APIException, PermissionDenied, Throttled
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.capture.impressions import is_for_everybody
from recommender.capture.own_page import is_own_page
from recommender.capture.rate_limit import charge_of, spend
from recommender.capture.visitor import consent_of, visitor_of
from recommender.exceptions import FeedbackRefused, NoConsent, VisitorNotFound
from recommender.feedback.own import take_back
from recommender.feedback.serializers import FeedbackParameters, FeedbackSerializer
from recommender.feedback.store import NOT_YOURS, give_feedback
from recommender.models import Visitor
from recommender.privacy.views import BAD_TYPE, refuse_other_sites, see_other
from recommender.serving.authentication import CallerView, FlatJSONParser
from recommender.serving.problems import BAD_KEY, documented_problem
from recommender.serving.schema import documented

SAID = OpenApiExample("Not for me", value={"token": "eyJ2Ijoi…", "answer": "less:981760"}, request_only=True)
TOO_FAST = documented_problem(
    "Too much of this visitor or address in a minute; send the same again after Retry-After.",
    "too_fast",
    "Request was throttled. Expected available in 2 seconds.",
)
STANDS = OpenApiResponse(
    FeedbackSerializer,
    examples=[OpenApiExample("It stands", value={"item": "981760", "value": "less"}, response_only=True)],
)
WRONG = documented_problem(
    "The answer is none.",
    "invalid",
    "answer: Send less:<key> or more:<key>.",
    answer=["Send less:<key> or more:<key>."],
)
DENIED = documented_problem(
    "Not from a page of this shop, from an app, from somebody who has not agreed to be remembered (no_consent), or of a"
    " list that was not made for the caller (foreign_list).",
    "no_consent",
    "This visitor has not agreed to be remembered.",
)


class FeedbackView(CallerView):
    parser_classes = (FlatJSONParser, FormParser, MultiPartParser)
    schema = AutoSchema()

    @documented(
        operation_id="feedback",
        summary="Say what the caller thinks of a recommended item",
        request=FeedbackParameters,
        examples=[SAID],
        responses={200: STANDS, 303: None, 400: WRONG, 401: BAD_KEY, 403: DENIED, 415: BAD_TYPE, 429: TOO_FAST},
    )
    def post(self, request: Request) -> Response | HttpResponseRedirect:
        """Counts from the next list on; the same once more takes it back. With `next`, as a form sends it, leads back
        there, also where it is refused."""
        refuse_other_sites(request)
        parameters = FeedbackParameters(data=request.data)
        parameters.is_valid(raise_exception=True)
        value, item = parameters.said
        try:
            token = parameters.validated_data["token"]
            now = give_feedback(_caller(request, token), token, item, value)
        except FeedbackRefused as error:
            raise PermissionDenied(str(error), code="foreign_list") from error
        except (NoConsent, VisitorNotFound) as error:
            raise _not_remembered() from error
        if REDIRECT_FIELD_NAME in request.data:
            return see_other(request._request, str(request.data[REDIRECT_FIELD_NAME]))
        answer = FeedbackSerializer({"item": item, "value": now}).data
        return Response(answer, headers={"Cache-Control": "private, no-store"})

    def handle_exception(self, exc: Exception) -> Response | HttpResponseRedirect:
        """A plain form is led back and told so by a message, where the shop shows any: no shopper reads JSON."""
        refusal = super().handle_exception(exc)
        page = _page_of_form(self.request)
        if page is None:
            return refusal
        messages.warning(self.request._request, _("Your answer was not saved. Try it once more."), fail_silently=True)
        return see_other(self.request._request, page)


@login_not_required
@never_cache
@csrf_protect
@require_POST
def taken_back(request: HttpRequest) -> HttpResponse:
    """One answer is taken back, and the form's page shown again; said twice, or by a stranger, it changes nothing."""
    visitor = visitor_of(request)
    if visitor is not None and take_back(visitor, request.POST.get("item", "")):
        messages.success(request, _("Taken back: it no longer shapes your recommendations."), fail_silently=True)
    return see_other(request, request.POST.get(REDIRECT_FIELD_NAME, ""))


def _page_of_form(request: Request) -> str | None:
    """Where a plain form of this shop asks to be led; None for programs, other sites, and what cannot be read."""
    try:
        is_form = isinstance(request.data, QueryDict) and REDIRECT_FIELD_NAME in request.data
    except (APIException, SuspiciousOperation):
        return None
    return str(request.data[REDIRECT_FIELD_NAME]) if is_form and is_own_page(request._request) else None


def _caller(request: Request, token: str) -> Visitor:
    """Who says it; somebody new becomes a visitor by it, where the list is one for everybody.

    Raises:
        Throttled: too much at once of this visitor or address; it counts as an event.
        FeedbackRefused: somebody new with another's token, or none of ours.
    """
    plain = request._request
    if consent_of(plain) is Visitor.Consent.NONE:
        raise _not_remembered()
    known = visitor_of(plain)
    if wait_seconds := spend(charge_of(plain, known.key if known else None, 1)):
        raise Throttled(wait_seconds, code="too_fast")
    if known is None and not is_for_everybody(token):
        raise FeedbackRefused(NOT_YOURS)
    visitor = visitor_of(plain, create=True)
    if visitor is None:
        raise _not_remembered()
    return visitor


def _not_remembered() -> PermissionDenied:
    return PermissionDenied(_("This visitor has not agreed to be remembered."), code="no_consent")
