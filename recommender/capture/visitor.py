"""Who is acting: the account that is logged in, else the browser by its signed cookie, else nobody.

A row is made with the first event, not with the first page: a crawler that leaves no events leaves no rows. The cookie
holds the visitor's key and how long it may be known, nothing else. It is not needed while an account is known, so login
and logout remove it. Without consent nobody is anybody: no cookie, no row, no event.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.crypto import salted_hmac

from recommender.capture.accounts import account_visitor
from recommender.capture.consent import (
    SIGNALS,
    Consent,
    browser_consent,
    default_consent,
    write_consent_cookie,
)
from recommender.capture.erased import write_erasure_cookie
from recommender.capture.tables import DAY_SECONDS
from recommender.capture.tombstones import erased_at, key_name
from recommender.conf import conf
from recommender.exceptions import NoConsent, VisitorNotFound
from recommender.models import Visitor

SALT: Final = "recommender.visitor"
WHO: Final = "recommender.who"
WHO_CHARACTERS: Final = 16
FOR_SESSION: Final = "~session"  # after the key: the cookie of somebody who is known for this visit only
ACCOUNT: Final = "_recommender_account"  # on the request: (account's key, its visitor or None)
CACHE: Final = "_recommender_visitor"  # on the request: (account's key or None, visitor or None); None: look again
ASKED: Final = "_recommender_asked"  # on the request: its response depends on the consent
COOKIE: Final = "_recommender_cookie"  # on the request: the visitor to set it for, or REMOVE
REMOVE: Final = ""

_HOLD: Final = (
    "SELECT forgotten_until, user_id IS NOT NULL AND consent < 2"  # noqa: S608  names of our own
    f" FROM {Visitor._meta.db_table} WHERE id = %s FOR KEY SHARE"
)


def visitor_of(request: HttpRequest, create: bool = False, lock_ms: int | None = None) -> Visitor | None:
    """The visitor behind a request; None without consent, and where there are no events of it yet and not `create`.

    Takes Django's request and rest_framework's. With `create` the row is made, and `VisitorMiddleware` sets the cookie;
    `lock_ms` as of `account_visitor`.
    """
    request = getattr(request, "_request", request)
    level, account = consent_of(request), account_of(request)
    cached = getattr(request, CACHE, None)
    visitor = cached[1] if cached is not None and cached[0] == account else _find(request, level)
    if create and level is not Consent.NONE:
        visitor = _create(request, level, lock_ms) if visitor is None else _kept_longer(request, visitor, level)
    setattr(request, CACHE, (account, visitor))
    return visitor


def consent_of(request: HttpRequest) -> Visitor.Consent:
    """The strictest of what browser and account say; RECOMMENDER_CONSENT where neither was asked yet."""
    request = getattr(request, "_request", request)
    setattr(request, ASKED, True)
    browser = browser_consent(request)
    if browser is Consent.NONE:
        return browser
    row = _account_row(request)
    chosen = [level for level in (browser, row.consent if row else None) if level is not None]
    return Consent(min(chosen)) if chosen else default_consent()


def browser_visitor(request: HttpRequest) -> Visitor | None:
    """The anonymous visitor of this browser; None for a forged or damaged cookie, or one of a visitor that is gone."""
    request = getattr(request, "_request", request)
    key, _is_for_session = read_cookie(request)
    return Visitor.objects.filter(key=key, user=None).first() if key else None


def own_visitors(request: HttpRequest) -> list[Visitor]:
    """Whoever sends this request: the account that is logged in and the browser, as far as they are known."""
    request = getattr(request, "_request", request)
    return [visitor for visitor in (_account_row(request), browser_visitor(request)) if visitor is not None]


def forget_visitor(request: HttpRequest) -> None:
    """Look the visitor up again at the next call: its row was joined to an account, erased or rolled back."""
    request = getattr(request, "_request", request)
    for name in (ACCOUNT, CACHE):
        setattr(request, name, None)
    if getattr(request, COOKIE, REMOVE) != REMOVE:
        delattr(request, COOKIE)


def remove_cookie(request: HttpRequest) -> None:
    """The response will take the visitor's cookie away."""
    setattr(getattr(request, "_request", request), COOKIE, REMOVE)


def read_cookie(request: HttpRequest) -> tuple[UUID | None, bool]:
    """(key of the browser's visitor, whether it may only be known for this visit)."""
    max_age = conf.VISITOR_COOKIE_AGE_DAYS * DAY_SECONDS
    text = request.get_signed_cookie(conf.VISITOR_COOKIE, default="", salt=SALT, max_age=max_age) or ""
    return (UUID(text.removesuffix(FOR_SESSION)) if text else None), text.endswith(FOR_SESSION)


def hold_visitor(visitor: Visitor) -> datetime | None:
    """Keep the visitor's row until this transaction's commit, where foreign keys are checked.

    Returns:
        The moment of an erasure: what somebody did before it is not stored.
    Raises:
        VisitorNotFound: the visitor was joined to an account or erased in the meantime.
        NoConsent: the account that it belongs to has chosen not to be remembered.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [visitor.pk])
        row = cursor.fetchone()
    if row is None:
        raise VisitorNotFound(VisitorNotFound.__doc__)
    forgotten_until, is_refusing = row
    if is_refusing:
        raise NoConsent(NoConsent.__doc__)
    return forgotten_until  # type: ignore[no-any-return]  # a column of Postgres


def write_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """What this request found out about its visitor, written into the response's cookies."""
    if hasattr(request, ASKED) or hasattr(request, CACHE):
        patch_vary_headers(response, ["Cookie", *SIGNALS])
    write_consent_cookie(request, response)
    write_erasure_cookie(request, response)
    visitor = getattr(request, COOKIE, None)
    if visitor is None:
        return
    where: dict[str, Any] = {"path": settings.SESSION_COOKIE_PATH, "domain": settings.SESSION_COOKIE_DOMAIN}
    if visitor != REMOVE:
        is_for_session = visitor.consent == Consent.SESSION
        response.set_signed_cookie(
            conf.VISITOR_COOKIE,
            f"{visitor.key}{FOR_SESSION if is_for_session else ''}",
            salt=SALT,
            max_age=None if is_for_session else conf.VISITOR_COOKIE_AGE_DAYS * DAY_SECONDS,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
            **where,
        )
    elif conf.VISITOR_COOKIE in request.COOKIES:
        response.delete_cookie(conf.VISITOR_COOKIE, samesite="Lax", **where)


def account_of(request: HttpRequest) -> Any:
    """Primary key of the account that is logged in, or None."""
    user = getattr(request, "user", None)
    return user.pk if user is not None and user.is_authenticated else None


def words_of(account: Any) -> list[str]:
    """Opaque words for the account with this primary key, that of today's SECRET_KEY first; none for nobody.

    A page carries one, so that what happened on it is not sent as of whoever logs in next at the same browser.
    """
    if account is None:
        return []
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    made = (salted_hmac(WHO, str(account), secret=secret, algorithm="sha256") for secret in secrets)
    return [digest.hexdigest()[:WHO_CHARACTERS] for digest in made]


def _account_row(request: HttpRequest) -> Visitor | None:
    """The account's visitor, asked once a request."""
    account = account_of(request)
    if account is None:
        return None
    cached = getattr(request, ACCOUNT, None)
    if cached is None or cached[0] != account:
        cached = (account, Visitor.objects.filter(user_id=account).first())
        setattr(request, ACCOUNT, cached)
    return cached[1]


def _find(request: HttpRequest, level: Visitor.Consent) -> Visitor | None:
    if level is Consent.FULL:
        return _account_row(request) if account_of(request) is not None else browser_visitor(request)
    visitor = browser_visitor(request) if level is Consent.SESSION else None
    return visitor if visitor is not None and visitor.consent == Consent.SESSION else None


def _kept_longer(request: HttpRequest, visitor: Visitor, level: Visitor.Consent) -> Visitor:
    """Somebody known for this visit only, who meanwhile agreed to be remembered, is."""
    if level is Consent.FULL and visitor.user_id is None and visitor.consent == Consent.SESSION:
        Visitor.objects.filter(pk=visitor.pk).update(consent=None)
        visitor.consent = None
        setattr(request, COOKIE, visitor)
    return visitor


def _create(request: HttpRequest, level: Visitor.Consent, lock_ms: int | None) -> Visitor:
    account = account_of(request)
    if account is not None and level is Consent.FULL:
        return account_visitor(account, lock_ms)
    key, _is_for_session = read_cookie(request)
    visitor = Visitor.objects.create(
        consent=Consent.SESSION if level is Consent.SESSION else None,
        # A browser whose visitor was erased elsewhere may still send what it did before.
        forgotten_until=erased_at(key_name(key)) if key else None,
    )
    setattr(request, COOKIE, visitor)
    return visitor
