"""What a browser allows: the shop's hook or our cookie, bounded by its privacy signals. No database.

The level of a request is in `visitor.consent_of`, which also knows what the account chose.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from recommender.capture.tables import DAY_SECONDS
from recommender.conf import conf
from recommender.models import Visitor

logger = logging.getLogger(__name__)

Consent = Visitor.Consent
LEVELS: Final = {"none": Consent.NONE, "session": Consent.SESSION, "full": Consent.FULL}
NAMES: Final = {level: name for name, level in LEVELS.items()}
SIGNALS: Final = ("Sec-GPC", "DNT")  # Global Privacy Control, Do Not Track; a page cannot set either header
HOOK_ANSWER: Final = "_recommender_hook"  # on the request: what the hook said
HOOK_FAILED: Final = "_recommender_hook_failed"  # on the request
CHOSEN: Final = "_recommender_chosen"  # on the request: a choice that the response's cookie will carry


def is_signalled(request: HttpRequest) -> bool:
    """Whether the browser itself asks not to be remembered; no choice made on a page overrules it."""
    return request.META.get("HTTP_SEC_GPC") == "1" or request.META.get("HTTP_DNT") == "1"


def browser_consent(request: HttpRequest) -> Visitor.Consent | None:
    """What this browser allows; None where nobody was asked yet."""
    if is_signalled(request):
        return Consent.NONE
    if conf.CONSENT_HOOK:
        return _by_hook(request)
    chosen = getattr(request, CHOSEN, None)
    return chosen if chosen is not None else LEVELS.get(request.COOKIES.get(conf.CONSENT_COOKIE, ""))


def default_consent() -> Visitor.Consent:
    """Of whoever has not chosen."""
    return LEVELS[conf.CONSENT]


def is_certain(request: HttpRequest) -> bool:
    """False where the shop's hook failed: nothing is recorded then, but nothing is forgotten either."""
    return not getattr(request, HOOK_FAILED, False)


def write_consent_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """The choice that was made in this request. Scripts may read it: it names nobody."""
    chosen = getattr(request, CHOSEN, None)
    if chosen is None:
        return
    response.set_cookie(
        conf.CONSENT_COOKIE,
        NAMES[chosen],
        max_age=round(conf.CONSENT_COOKIE_AGE_DAYS * DAY_SECONDS),
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=request.is_secure(),
        httponly=False,
        samesite="Lax",
    )


def consent_hook() -> Callable[[HttpRequest], str | None]:
    """The shop's function that CONSENT_HOOK names.

    Raises:
        ImproperlyConfigured: there is no such function.
    """
    try:
        hook = import_string(conf.CONSENT_HOOK)
    except (ImportError, AttributeError) as error:
        raise ImproperlyConfigured(
            f"RECOMMENDER_CONSENT_HOOK names no function: {conf.CONSENT_HOOK!r} ({error})"
        ) from error
    return cast(Callable[[HttpRequest], str | None], hook)


def _by_hook(request: HttpRequest) -> Visitor.Consent | None:
    """Asked once a request. A hook that fails allows nothing."""
    if not hasattr(request, HOOK_ANSWER):
        setattr(request, HOOK_ANSWER, _ask_hook(request))
    return cast("Visitor.Consent | None", getattr(request, HOOK_ANSWER))


def _ask_hook(request: HttpRequest) -> Visitor.Consent | None:
    try:
        answer: Any = consent_hook()(request)
        return None if answer is None else LEVELS[answer]
    except Exception:
        # The shop's own code may raise anything; a page goes on without us.
        logger.exception("RECOMMENDER_CONSENT_HOOK failed; nothing is recorded for this request.")
        setattr(request, HOOK_FAILED, True)
        return Consent.NONE
