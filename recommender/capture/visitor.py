"""Who is acting: the account that is logged in, else the browser by its signed cookie.

A row is made with the first event, not with the first page: a crawler that leaves no events leaves no rows. The cookie
holds the visitor's key and nothing else. It is not needed while somebody is logged in, so login and logout remove it.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from recommender.conf import conf
from recommender.exceptions import VisitorNotFound
from recommender.models import Event, Visitor, VisitorEmbedding

SALT: Final = "recommender.visitor"
SECONDS_PER_DAY: Final = 86_400
CACHE: Final = "_recommender_visitor"  # on the request: (account's key or None, visitor or None); None: look again
COOKIE: Final = "_recommender_cookie"  # on the request: the key to set, or REMOVE
REMOVE: Final = ""


def visitor_of(request: HttpRequest, create: bool = False) -> Visitor | None:
    """The visitor behind a request; None where there are no events of it yet and `create` is False.

    Takes Django's request and rest_framework's. With `create` the row is made, and `VisitorMiddleware` sets the cookie.
    """
    request = getattr(request, "_request", request)
    user = getattr(request, "user", None)
    account = user.pk if user is not None and user.is_authenticated else None
    cached = getattr(request, CACHE, None)
    visitor = cached[1] if cached is not None and cached[0] == account else _find(request, account)
    if visitor is None and create:
        visitor = _create(request, account)
    setattr(request, CACHE, (account, visitor))
    return visitor


def forget_visitor(request: HttpRequest) -> None:
    """Look the visitor up again at the next call: its row was merged away or rolled back."""
    request = getattr(request, "_request", request)
    setattr(request, CACHE, None)
    if getattr(request, COOKIE, REMOVE) != REMOVE:
        delattr(request, COOKIE)


def visitor_named(params: Mapping[str, Any], create: bool = False) -> Visitor:
    """The visitor that an app with a key names by `visitor=<key>` or `user=<primary key>`.

    An existing account has a visitor at once; an unknown visitor key is taken up with `create`, so that an app can
    make the keys of its own anonymous visitors.

    Raises:
        VisitorNotFound: none or both are named, or there is no such visitor or account.
    """
    key, user = params.get("visitor") or "", params.get("user") or ""
    if bool(key) == bool(user):
        raise VisitorNotFound(_("Name one visitor, by visitor=<key> or by user=<primary key>."))
    if user:
        return _of_account(str(user))
    try:
        uuid = UUID(str(key))
    except ValueError as error:
        raise VisitorNotFound(_("visitor must be a UUID.")) from error
    if create:
        return Visitor.objects.get_or_create(key=uuid)[0]
    visitor = Visitor.objects.filter(key=uuid).first()
    if visitor is None:
        raise VisitorNotFound(_("There is no visitor with this key."))
    return visitor


@transaction.atomic
def merge_visitors(anonymous: Visitor, account: Visitor) -> int:
    """Give the events of a browser to the account that it logged in to; the number of events that moved.

    A second call, or one at the same time from another tab, finds nothing left to move.

    Raises:
        ValueError: `anonymous` belongs to an account: nobody's history is given to somebody else.
    """
    if anonymous.pk == account.pk:
        return 0
    # In the order of their keys: two merges at once wait for each other instead of dead-locking.
    locked = {
        visitor.pk: visitor
        for visitor in Visitor.objects.select_for_update().filter(pk__in=[anonymous.pk, account.pk]).order_by("pk")
    }
    if len(locked) < 2:
        return 0
    if locked[anonymous.pk].user_id is not None:
        raise ValueError("Only an anonymous visitor can be merged into an account.")
    moved = Event.objects.filter(visitor=anonymous.pk).update(visitor=account.pk)
    VisitorEmbedding.objects.filter(visitor=anonymous.pk).delete()
    locked[anonymous.pk].delete()
    return moved


def log_in(request: HttpRequest, account: Any) -> None:
    """Merge the browser's history into the account's; its cookie goes."""
    anonymous = _by_cookie(request)
    if anonymous is not None:
        merge_visitors(anonymous, Visitor.objects.get_or_create(user_id=account.pk)[0])
    log_out(request)


def log_out(request: HttpRequest) -> None:
    """The next event starts a new anonymous visitor."""
    setattr(request, CACHE, None)
    setattr(request, COOKIE, REMOVE)


def write_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """What this request found out about its visitor, written into the response's cookie."""
    if hasattr(request, CACHE):
        patch_vary_headers(response, ["Cookie"])
    key = getattr(request, COOKIE, None)
    if key is None:
        return
    where: dict[str, Any] = {"path": settings.SESSION_COOKIE_PATH, "domain": settings.SESSION_COOKIE_DOMAIN}
    if key != REMOVE:
        response.set_signed_cookie(
            conf.VISITOR_COOKIE,
            str(key),
            salt=SALT,
            max_age=conf.VISITOR_COOKIE_AGE_DAYS * SECONDS_PER_DAY,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
            **where,
        )
    elif conf.VISITOR_COOKIE in request.COOKIES:
        response.delete_cookie(conf.VISITOR_COOKIE, samesite="Lax", **where)


def _find(request: HttpRequest, account: Any) -> Visitor | None:
    if account is not None:
        return Visitor.objects.filter(user_id=account).first()
    return _by_cookie(request)


def _create(request: HttpRequest, account: Any) -> Visitor:
    if account is not None:
        return Visitor.objects.get_or_create(user_id=account)[0]
    visitor = Visitor.objects.create()
    setattr(request, COOKIE, visitor.key)
    return visitor


def _by_cookie(request: HttpRequest) -> Visitor | None:
    """The anonymous visitor of this browser; None for a forged or damaged cookie, or one of a visitor that is gone."""
    max_age = conf.VISITOR_COOKIE_AGE_DAYS * SECONDS_PER_DAY
    text = request.get_signed_cookie(conf.VISITOR_COOKIE, default="", salt=SALT, max_age=max_age)
    return Visitor.objects.filter(key=UUID(text), user=None).first() if text else None


def _of_account(user: str) -> Visitor:
    model = get_user_model()
    try:
        account = model._default_manager.filter(pk=model._meta.pk.to_python(user)).first() if "\0" not in user else None
    except ValidationError:
        account = None
    if account is None:
        raise VisitorNotFound(_("There is no user with this primary key."))
    return Visitor.objects.get_or_create(user=account)[0]
