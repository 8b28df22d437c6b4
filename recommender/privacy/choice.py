"""What a person chooses: how long to be known. Less than before forgets what was known."""

from django.db import transaction
from django.http import HttpRequest

from recommender.capture.accounts import account_visitor
from recommender.capture.consent import CHOSEN, LEVELS, Consent, browser_consent, default_consent, is_certain
from recommender.capture.erased import note_erasure
from recommender.capture.visitor import account_of, browser_visitor, forget_visitor, read_cookie, remove_cookie
from recommender.conf import conf
from recommender.models import Visitor
from recommender.privacy.erasure import bury_cookie, erase


@transaction.atomic
def set_consent(request: HttpRequest, level: str) -> None:
    """Note a choice, for this browser by a cookie and for the account that is logged in; forget what it rules out.

    Args:
        level: "none", "session" or "full".
    Raises:
        ValueError: there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"unknown level {level!r}: known are {', '.join(LEVELS)}")
    request = getattr(request, "_request", request)
    chosen = LEVELS[level]
    setattr(request, CHOSEN, chosen)
    _forget_browser(request, chosen)
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        _choose_for_account(user.pk, chosen)
    forget_visitor(request)
    if chosen is Consent.NONE:
        remove_cookie(request)


def forget_what_was_withdrawn(request: HttpRequest) -> None:
    """Erase a browser that still has an id which its consent no longer covers: a signal was switched on, say.

    Costs nothing for browsers without the visitor's cookie, and never asks session or database for those with it.
    """
    if conf.VISITOR_COOKIE not in request.COOKIES:
        return
    said = browser_consent(request)
    if is_certain(request):
        _forget_browser(request, default_consent() if said is None else said)


def _forget_browser(request: HttpRequest, level: Visitor.Consent) -> None:
    if level is Consent.FULL:
        return
    key, is_for_session = read_cookie(request)
    if level is Consent.SESSION and is_for_session:
        return
    visitor = browser_visitor(request)
    if visitor is not None:
        erase(visitor)
    bury_cookie(request)
    forget_visitor(request)
    remove_cookie(request)
    was_known = key is not None or account_of(request) is not None
    if was_known and level is Consent.SESSION:  # at "none" open pages have nothing to send, and no cookie is set
        note_erasure(request)


def _choose_for_account(user: object, level: Visitor.Consent) -> None:
    if level is not Consent.FULL:
        erase(account_visitor(user))
    Visitor.objects.filter(pk=account_visitor(user).pk).update(consent=level)
