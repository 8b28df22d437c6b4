"""`POST events/`: batches of events, from `beacon.js` or from an app with an API key.

    {"events": [{"item": 42, "kind": "click", "id": "<uuid7>", "at": "2026-11-24T12:00:00Z", "token": "…"}],
     "impressions": [{"token": "…", "slots": [1, 2, 3]}],
     "sent_at": "2026-11-24T12:00:05Z", "webdriver": false}

Answers 202 with {"received", "stored", "duplicates", "refused": [{"index", "code", "reason"}]}, or 400 with the same
where nothing of the batch was valid, or 429 with Retry-After. Purchases are the shop's word, not a browser's.

Exempt from Django's CSRF check, because `sendBeacon` can send no header and a cached page holds no token: the browser's
own Sec-Fetch-Site and Origin headers, which a page cannot forge, do the same work.
"""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.http import is_same_domain
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from recommender.api_keys import SCHEME, key_in_header, verify_key
from recommender.capture.accounts import visitor_named
from recommender.capture.bots import crawlers, doubt_about
from recommender.capture.consent import Consent
from recommender.capture.impressions import store_impressions
from recommender.capture.rate_limit import spend
from recommender.capture.record import RecordResult, store_events
from recommender.capture.rows import KIND_CODES, CheckedRows, check_rows, read_time
from recommender.capture.visitor import consent_of, forget_visitor, visitor_of
from recommender.conf import conf
from recommender.exceptions import EventRefused, NoConsent, VisitorErased, VisitorNotFound
from recommender.models import Event, Visitor

MEDIA_TYPES: Final = ("application/json", "text/plain")  # text/plain: what `sendBeacon` sends without a preflight
BROWSER_KINDS: Final = ("view", "click", "cart")
MAX_DIGITS: Final = 20  # of a number; longer ones are beyond every limit, and slow to read


class Refused(Exception):
    """The whole request is refused."""

    def __init__(self, status: int, code: str, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.reason = reason
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Batch:
    """What was posted: nothing in it is checked yet.

    Attributes:
        events, impressions: rows of any shape.
        clock_offset: our clock minus the sender's.
        is_automated: the browser says that a program steers it.
    """

    events: list[object]
    impressions: list[object]
    clock_offset: timedelta
    is_automated: bool


@csrf_exempt
@require_POST
def events(request: HttpRequest) -> JsonResponse:
    """The door: who sends, what, and how much of it is stored."""
    try:
        is_app = _is_app(request)
        batch = _batch(request)
        doubt = Event.Doubt.NONE if is_app else _browsers_doubt(request, batch)
        kinds = KIND_CODES if is_app else BROWSER_KINDS
        checked = check_rows(batch.events, kinds=kinds, clock_offset=batch.clock_offset)
        result = _store(request, checked, batch.impressions, is_app, doubt)
    except Refused as refused:
        body = {"code": refused.code, "reason": refused.reason}
        return JsonResponse(body, status=refused.status, headers=refused.headers)
    is_useless = bool(result.refused) and len(result.refused) == result.received
    return JsonResponse({"received": result.received, **asdict(result)}, status=400 if is_useless else 202)


def _is_app(request: HttpRequest) -> bool:
    """True for an app with a valid key, False for a page of the shop; nobody else comes in."""
    plaintext = key_in_header(request.headers.get("Authorization", ""))
    if plaintext is not None:
        if verify_key(plaintext) is None:
            headers = {"WWW-Authenticate": SCHEME}
            raise Refused(401, "bad_key", _("This API key is unknown or was revoked."), headers)
        return True
    if "visitor" in request.GET or "user" in request.GET:
        raise Refused(403, "key_needed", _("Only an app with an API key may name a visitor."))
    if not is_own_page(request):
        raise Refused(403, "foreign_origin", _("Events come from pages of this shop only."))
    if consent_of(request) is Consent.NONE:
        raise Refused(403, "no_consent", _("This visitor has not agreed to be remembered: send no events."))
    return False


def is_own_page(request: HttpRequest) -> bool:
    """Whether the browser says that a page of this shop, or of CSRF_TRUSTED_ORIGINS, sends this.

    Every browser sends at least one of the two headers with a cross-site POST; a client without both is no browser that
    somebody else's page could misuse.
    """
    site = request.headers.get("Sec-Fetch-Site", "")
    if site == "same-origin":
        return True
    origin = request.headers.get("Origin")
    if origin is None:
        return site in ("", "none")
    own = f"{request.scheme}://{request.get_host()}"
    return origin == own or any(_matches(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _matches(origin: str, trusted: str) -> bool:
    """As Django compares: `https://*.example.com` takes every subdomain."""
    try:
        found = urlsplit(origin)
    except ValueError:
        return False
    wanted = urlsplit(trusted.replace("://*.", "://.", 1))
    return found.scheme == wanted.scheme and is_same_domain(found.netloc, wanted.netloc)


def _browsers_doubt(request: HttpRequest, batch: Batch) -> int:
    """`Event.Doubt` of everything in the batch.

    Raises:
        Refused: 429, where the visitor or the address sent too much.
    """
    allowance = spend(request, visitor_of(request), len(batch.events) + len(batch.impressions))
    if allowance.wait_seconds:
        message = _("Too many events; try again in %(seconds)s s.") % {"seconds": allowance.wait_seconds}
        raise Refused(429, "too_fast", message, {"Retry-After": str(allowance.wait_seconds)})
    if batch.is_automated:
        return Event.Doubt.WEBDRIVER
    return doubt_about(request) or (Event.Doubt.RATE if allowance.is_inhuman else Event.Doubt.NONE)


def _batch(request: HttpRequest) -> Batch:
    if request.content_type not in MEDIA_TYPES:
        raise Refused(415, "media_type", _("Send JSON as %(types)s.") % {"types": " / ".join(MEDIA_TYPES)})
    body = _json(_body(request))
    rows = body.get("events") if isinstance(body, dict) else None
    impressions = body.get("impressions", []) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not isinstance(impressions, list):
        raise Refused(400, "bad_shape", _('Send an object with a list: {"events": […]}.'))
    sent = len(rows) + len(impressions)
    if sent > conf.MAX_EVENTS_PER_POST:
        message = _("%(sent)s events; a POST takes %(most)s at most.")
        raise Refused(413, "too_many_events", message % {"sent": sent, "most": conf.MAX_EVENTS_PER_POST})
    sent_at = body.get("sent_at")
    try:
        offset = timezone.now() - read_time(sent_at) if sent_at is not None else timedelta()
    except EventRefused as error:
        raise Refused(400, "bad_sent_at", f"sent_at: {error.reason}") from error
    return Batch(rows, impressions, offset, body.get("webdriver") is True)


def _body(request: HttpRequest) -> bytes:
    """At most MAX_POST_BYTES, whatever the headers say."""
    try:
        body = request.read(conf.MAX_POST_BYTES + 1)
    except UnreadablePostError as error:
        raise Refused(400, "cut_off", _("The request broke off.")) from error
    if len(body) > conf.MAX_POST_BYTES:
        message = _("A POST takes %(bytes)s bytes and %(events)s events at most.")
        limits = {"bytes": conf.MAX_POST_BYTES, "events": conf.MAX_EVENTS_PER_POST}
        raise Refused(413, "too_large", message % limits)
    return body


def _json(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "bad_json", _("This is not JSON: %(error)s") % {"error": error}) from error


def _integer(digits: str) -> int | float:
    """One absurd number refuses its own row, not the whole batch."""
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


def _store(
    request: HttpRequest, checked: CheckedRows, impressions: list[object], is_app: bool, doubt: int
) -> RecordResult:
    if not checked.drafts and not impressions:
        return RecordResult(0, 0, checked.refused)
    source = Event.Source.SHOP if is_app else Event.Source.BEACON

    def store() -> int:
        visitor = _visitor(request, is_app, doubt)
        store_impressions(visitor, impressions, doubt)
        return store_events(visitor, checked.drafts, source=source, doubt=doubt) if checked.drafts else 0

    try:
        stored = store()
    except VisitorNotFound:
        # Merged or erased since it was looked up, by a login in another tab: the browser is known by its new name now.
        forget_visitor(request)
        stored = store()
    except NoConsent as error:
        raise Refused(403, "no_consent", _("This visitor has not agreed to be remembered: send no events.")) from error
    return RecordResult(stored, len(checked.drafts) - stored, checked.refused)


def _visitor(request: HttpRequest, is_app: bool, doubt: int) -> Visitor:
    if is_app:
        try:
            return visitor_named(request.GET, create=True)
        except VisitorErased as error:
            raise Refused(410, "erased", str(error)) from error
        except VisitorNotFound as error:
            raise Refused(404, "unknown_visitor", str(error)) from error
    visitor = visitor_of(request) if doubt == Event.Doubt.CRAWLER else visitor_of(request, create=True)
    return visitor or crawlers()
