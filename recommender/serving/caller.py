"""Who asks, for a page that must not break."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error, transaction
from django.http import HttpRequest

from recommender.capture.consent import NAMES, Consent, default_consent, is_signalled
from recommender.capture.items import key_or_none
from recommender.capture.visitor import account_of, consent_of, visitor_of, words_of
from recommender.catalog import get_catalog
from recommender.conf import conf
from recommender.index import budget
from recommender.index.reading import has_begun
from recommender.models import Visitor
from recommender.serving.page import Page
from recommender.serving.rungs import Unanswered, ask

logger = logging.getLogger(__name__)

T = TypeVar("T")


def visitor_or_none(request: HttpRequest) -> Visitor | None:
    """The request's visitor; None for somebody without events, and where the database does not say in time."""
    _settle_user(request)
    return ask_in_time(partial(visitor_of, request))


def visitor_of_page(request: HttpRequest) -> Visitor | None:
    """As `visitor_or_none`, for a page that holds this visitor's lists: no page cache keeps it for somebody else.

    `Vary: Cookie` comes too late for that: Django's `cache_page` stores a page before any middleware sees it.
    """

    def find() -> Visitor | None:
        visitor = visitor_of(request)
        if visitor is not None or account_of(request) is not None:
            keep_from_others(request)
        return visitor

    _settle_user(request)
    return ask_in_time(find)


def keep_from_others(request: HttpRequest) -> None:
    """No page cache keeps the page that answers this request."""
    plain: Any = getattr(request, "_request", request)
    plain._cache_update_cache = False  # what Django's page cache looks at


def page_of(request: HttpRequest) -> Page:
    """What the page that answers this request has shown so far."""
    if not hasattr(request, "recommender_page"):
        request.recommender_page = Page()  # type: ignore[attr-defined]
    page: Page = request.recommender_page  # type: ignore[attr-defined]
    return page


def basket_of(request: HttpRequest) -> frozenset[Any]:
    """Keys of what lies in the request's basket, as the catalogue tells; none where that cannot be read in time.

    Inside a transaction of the page it is read there, without a limit: the shop's own code may write, and what it wrote
    must stay.
    """
    if not has_begun():
        return ask_in_time(lambda: _basket(request)) or frozenset()
    try:
        with transaction.atomic():
            return _basket(request)
    except Error:
        logger.warning("The basket of this request could not be read.", exc_info=True)
        return frozenset()


def _basket(request: HttpRequest) -> frozenset[Any]:
    """Keys in their own type: what a session holds went through JSON."""
    keys = (key_or_none(raw) for raw in get_catalog().basket(request))
    return frozenset(key for key in keys if key is not None)


def reader_for_beacon(request: HttpRequest | None) -> tuple[str, str] | None:
    """What a page tells the beacon: (level of consent, opaque word of the account); None where nobody says it in time.

    Of somebody without an account the level is that of whoever has not chosen: the beacon itself reads the consent
    cookie, unless the shop's hook decides, and the browser's signals.

    The same for everybody who is not logged in, unless the shop's hook decides: such a page may be cached.
    """
    if request is None or not (conf.CONSENT_HOOK or settings.SESSION_COOKIE_NAME in request.COOKIES):
        return NAMES[default_consent()], ""
    if (reader := _known_reader(request)) is None:
        return None
    level, account = reader
    return NAMES[level], next(iter(words_of(account)), "")


def reader_of(request: HttpRequest) -> tuple[Visitor.Consent, Any]:
    """(level of consent, account's key or None) of whoever reads the page; NONE, None where nobody says it in time.

    What says something else than to everybody is kept from page caches.
    """
    return _known_reader(request) or (Consent.NONE, None)


def _known_reader(request: HttpRequest) -> tuple[Visitor.Consent, Any] | None:
    reader = _reader(request)
    if reader != (default_consent(), None) or is_signalled(request):
        keep_from_others(request)
    return reader


def _reader(request: HttpRequest) -> tuple[Visitor.Consent, Any] | None:
    try:
        _settle_user(request)
        return ask_in_time(lambda: (consent_of(request), account_of(request)))
    except Exception:
        # Who is logged in is the shop's to say: its session's store may raise anything, and an async view may not ask.
        logger.exception("Who reads a page is not known; it goes on as for somebody without consent.")
        return None


def _settle_user(request: HttpRequest) -> None:
    """Within a transaction of the page, find out who is logged in before our savepoint begins: a session that an older
    SECRET_KEY signed is written anew by that, and our savepoint is rolled back."""
    if has_begun():
        with suppress(Error):  # who asks next is told
            account_of(request)


def ask_in_time(answer: Callable[[], T]) -> T | None:
    """What only the database knows of a request; None where it does not say in time."""
    try:
        with within_budget():
            return ask("visitor", answer)
    except Unanswered:
        return None


def within_budget() -> AbstractContextManager[None]:
    """Around all that a list reads: whose it is, and the list."""
    return budget.within(conf.BUDGET_MS / 1_000)
