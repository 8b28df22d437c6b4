"""Doors for probes and Prometheus. Whoever may not know more learns that something is missing, not where."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from recommender.api_keys import key_in_header, verify_key
from recommender.conf import conf
from recommender.models import ApiKey
from recommender.operations.health import UNREADY, current_health
from recommender.operations.metrics import metrics_text
from recommender.serving.caller import ask_in_time


@login_not_required
@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """This process answers; nothing is asked. For what restarts a process that hangs."""
    return JsonResponse({"status": "live"})


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 `ready` or `degraded`, 503 `unready`. A database that is away is no 503: lists come from the disk, and a load
    balancer that took all processes out would close the shop. Reasons by name for everybody, in words for staff."""
    found = current_health()
    told = found.reasons if found.reasons and _may_know(request) else sorted(found.reasons)
    return JsonResponse({"status": found.status, "reasons": told}, status=503 if found.status == UNREADY else 200)


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For staff, for keys with the scope `metrics`, and with RECOMMENDER_METRICS_TOKEN, which needs no database."""
    if not _may_know(request):
        return HttpResponse("Staff, Api-Key with the scope metrics, or Bearer RECOMMENDER_METRICS_TOKEN\n", status=403)
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE_LATEST)


def _may_know(request: HttpRequest) -> bool:
    authorization = request.headers.get("Authorization", "")
    scheme, _, token = authorization.partition(" ")
    if conf.METRICS_TOKEN and scheme.lower() == "bearer":
        return constant_time_compare(token.strip(), conf.METRICS_TOKEN)
    plaintext = key_in_header(authorization)
    if plaintext is not None:
        key = ask_in_time(lambda: verify_key(plaintext))
        return key is not None and ApiKey.Scope.METRICS in key.scopes
    return ask_in_time(lambda: _is_staff(request)) or False


def _is_staff(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    # A shop without admin may have accounts without the field.
    return bool(user is not None and user.is_active and getattr(user, "is_staff", False))
