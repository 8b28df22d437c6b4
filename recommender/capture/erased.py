"""A browser that was erased keeps the moment, and nothing else: what its open pages send from before it is refused.

With its id gone it could not be told from somebody new. The moment names nobody, and goes when events from before it
would be too old in any case.
"""

from datetime import UTC, datetime
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

from recommender.capture.drafts import CheckedRows, Rejected
from recommender.capture.tables import DAY_SECONDS
from recommender.conf import conf

SALT: Final = "recommender.erased"
ERASED: Final = "_recommender_erased"  # on the request: the moment that the response's cookie will carry


def note_erasure(request: HttpRequest) -> None:
    """The response will tell the browser that it was erased now."""
    setattr(getattr(request, "_request", request), ERASED, timezone.now())


def without_erased(request: HttpRequest, checked: CheckedRows) -> CheckedRows:
    """The rows, with those refused that this browser made before it was erased."""
    moment = _erased_at(request)
    if moment is None:
        return checked
    reason = _("This visitor was erased after the event.")
    late = [Rejected(row.index, "erased", reason, row.raw) for row in checked.drafts if row.at <= moment]
    drafts = [row for row in checked.drafts if row.at > moment]
    return checked._replace(drafts=drafts, rejected=[*checked.rejected, *late])


def write_erasure_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    moment: datetime | None = getattr(request, ERASED, None)
    if moment is None:
        return
    response.set_signed_cookie(
        _cookie(),
        str(moment.timestamp()),
        salt=SALT,
        max_age=conf.MAX_EVENT_AGE_DAYS * DAY_SECONDS,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def _erased_at(request: HttpRequest) -> datetime | None:
    max_age = conf.MAX_EVENT_AGE_DAYS * DAY_SECONDS
    text = request.get_signed_cookie(_cookie(), default="", salt=SALT, max_age=max_age)
    return datetime.fromtimestamp(float(text), UTC) if text else None


def _cookie() -> str:
    return f"{conf.VISITOR_COOKIE}_erased"
