"""`POST events/`: batches of events, from `beacon.js` or from an app with an API key.

    {"events": [{"item": 42, "kind": "click", "id": "<uuid7>", "at": "2026-11-24T12:00:00Z", "token": "…"}],
     "impressions": [{"token": "…", "slots": [1, 2, 3]}],
     "sent_at": "2026-11-24T12:00:05Z", "webdriver": false, "who": "…"}

Answers 202 when every row is on disk, by Postgres or in the spill file, with what became of each: {"received",
"stored", "duplicates", "spilled", "quarantined": [{"index", "code", "reason"}], "refused": [the same]}. 429 and 503 say
by Retry-After when to send the same again. Purchases are the shop's word, not a browser's.

A plain view, not one of rest_framework: parsing and checking took half of the request there. It is exempt from Django's
CSRF check, see `own_page`.
"""

from typing import Any, Final

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from recommender.api_keys import SCHEME, key_in_header, require_scope, verify_key
from recommender.capture.accounts import visitor_named
from recommender.capture.away import AWAY, read_only_is_away
from recommender.capture.batch import Outcome, Sender
from recommender.capture.bots import doubt_about
from recommender.capture.consent import Consent, browser_consent
from recommender.capture.drafts import Rejected
from recommender.capture.erased import without_erased
from recommender.capture.outage import database_is_away, in_time
from recommender.capture.own_page import is_own_page
from recommender.capture.post import Refused, read_post
from recommender.capture.rate_limit import Charge, charge_of, spend
from recommender.capture.record import deliver
from recommender.capture.rows import BROWSER_KINDS, check_rows
from recommender.capture.sender import sender_in_cookie
from recommender.capture.visitor import account_of, consent_of, visitor_of, words_of
from recommender.exceptions import MissingScope, NoConsent, NotKept, TooFast, VisitorErased, VisitorNotFound
from recommender.models import ApiKey, Event, Visitor
from recommender.problems import problem

RETRY_SECONDS: Final = "30"  # a restart of Postgres is over by then


@login_not_required  # of a shop's LoginRequiredMiddleware: apps come with a key
@csrf_exempt
@require_POST
@transaction.non_atomic_requests  # 202 says "committed", and one commit may serve many requests
def events(request: HttpRequest) -> HttpResponse:
    """The door: who sends, what, and what became of it."""
    try:
        return _json(202, _answer(_accept(request)))
    except Refused as refused:
        return _json(refused.status, problem(refused.code, refused.reason), refused.headers)
    except NoConsent:
        reason = _("This visitor has not agreed to be remembered: send no events.")
        return _json(403, problem("no_consent", reason))
    except TooFast as error:
        message = _("Too many events; try again in %(seconds)s s.") % {"seconds": error.wait_seconds}
        return _json(429, problem("too_fast", message), {"Retry-After": str(error.wait_seconds)})
    except (NotKept, *AWAY):
        reason = _("Events cannot be kept right now: send them again.")
        return _json(503, problem("not_kept", reason), {"Retry-After": RETRY_SECONDS})


@read_only_is_away()
def _accept(request: HttpRequest) -> Outcome:
    is_app = _is_app(request)
    post = read_post(request)
    if is_app:
        checked = check_rows(post.events, clock=post.clock)
        visitor, source = _named(request), Event.Source.SHOP
        return deliver(visitor, checked, source=source, doubt=Event.Doubt.NONE, seen=post.impressions)
    _check_whose(request, post.who)
    sender = None if database_is_away() else sender_in_cookie(request)
    charge = _charge(request, sender, len(post.events) + len(post.impressions))
    doubt = Event.Doubt.WEBDRIVER if post.is_automated else doubt_about(request)
    checked = without_erased(request, check_rows(post.events, kinds=BROWSER_KINDS, clock=post.clock))
    source = Event.Source.BEACON
    return deliver(request, checked, source=source, doubt=doubt, seen=post.impressions, charge=charge, sender=sender)


def _is_app(request: HttpRequest) -> bool:
    """True for an app with a valid key, False for a page of the shop; nobody else comes in."""
    plaintext = key_in_header(request.META.get("HTTP_AUTHORIZATION", ""))
    if plaintext is not None:
        _check_key(plaintext)
        return True
    if "visitor" in request.GET or "user" in request.GET:
        raise Refused(403, "key_needed", _("Only an app with an API key may name a visitor."))
    if not is_own_page(request):
        raise Refused(403, "foreign_origin", _("Events come from pages of this shop only."))
    consent = browser_consent(request) if database_is_away() else consent_of(request)
    if consent is Consent.NONE:
        raise NoConsent(NoConsent.__doc__)
    return False


def _check_whose(request: HttpRequest, who: Any) -> None:
    """A page that is left sends its last events when it is gone, maybe behind a logout; they are nobody else's."""
    if who and who not in words_of(account_of(request)):
        raise Refused(403, "other_account", _("Who is logged in is not whose page sends these events."))


def _check_key(plaintext: str) -> None:
    key = verify_key(plaintext)
    if key is None:
        headers = {"WWW-Authenticate": SCHEME}
        raise Refused(401, "bad_key", _("This API key is unknown or was revoked."), headers)
    try:
        require_scope(key, ApiKey.Scope.EVENTS)
    except MissingScope as error:
        raise Refused(403, "missing_scope", str(error)) from error


def _charge(request: HttpRequest, sender: Sender | None, rows: int) -> Charge | None:
    """What is charged with the rows; somebody new is charged here, before there is a visitor of theirs.

    Raises:
        TooFast: somebody new, from an address that sent too much.
    """
    if sender is not None:
        return charge_of(request, sender.key, rows)
    if database_is_away():
        return None
    with in_time():
        visitor = visitor_of(request)
        charge = charge_of(request, visitor.key if visitor else None, rows)
        if visitor is not None:
            return charge
        if wait_seconds := spend(charge):
            raise TooFast(wait_seconds)
    return None


def _named(request: HttpRequest) -> Visitor:
    try:
        return visitor_named(request.GET, create=True)
    except VisitorErased as error:
        raise Refused(410, "erased", str(error)) from error
    except VisitorNotFound as error:
        raise Refused(404, "unknown_visitor", str(error)) from error


def _answer(outcome: Outcome) -> dict[str, Any]:
    return {
        "received": outcome.received,
        "stored": outcome.stored,
        "duplicates": outcome.duplicates,
        "spilled": outcome.spilled,
        "quarantined": list(map(_rejected, outcome.quarantined)),
        "refused": list(map(_rejected, outcome.refused)),
    }


def _rejected(row: Rejected) -> dict[str, Any]:
    return {"index": row.index, "code": row.code, "reason": row.reason}


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> HttpResponse:
    text = msgspec.json.encode(body)
    length = {"Content-Length": str(len(text))}  # CommonMiddleware does not see each answer
    return HttpResponse(text, content_type="application/json", status=status, headers=length | (headers or {}))
