"""Who asks, for a page that must not break."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.db import Error, connection, transaction
from django.http import HttpRequest

from recommender.capture.consent import NAMES, Consent, default_consent
from recommender.capture.visitor import consent_of, visitor_of
from recommender.catalog import get_catalog
from recommender.conf import conf
from recommender.models import Visitor
from recommender.serving.page import Page

logger = logging.getLogger(__name__)


def visitor_or_none(request: HttpRequest) -> Visitor | None:
    """The request's visitor; None for somebody without events, and where the database does not say."""
    try:
        with _savepoint():
            return visitor_of(request)
    except Error:
        logger.warning("The visitor of this request could not be read.", exc_info=True)
        return None


def page_of(request: HttpRequest) -> Page:
    """What the page that answers this request has shown so far."""
    if not hasattr(request, "recommender_page"):
        request.recommender_page = Page()  # type: ignore[attr-defined]
    page: Page = request.recommender_page  # type: ignore[attr-defined]
    return page


def basket_of(request: HttpRequest) -> frozenset[Any]:
    """Keys of what lies in the request's basket, as the catalogue tells; none where the database does not say."""
    try:
        with _savepoint():
            return frozenset(get_catalog().basket(request))
    except Error:
        logger.warning("The basket of this request could not be read.", exc_info=True)
        return frozenset()


def consent_for_page(request: HttpRequest | None) -> str:
    """The level that a page tells the beacon, which itself reads the consent cookie and the browser's signals.

    The same for everybody who is not logged in, unless the shop's hook decides: such a page may be cached.
    """
    if request is None or not (conf.CONSENT_HOOK or settings.SESSION_COOKIE_NAME in request.COOKIES):
        return NAMES[default_consent()]
    return NAMES[consent_or_none(request)]


def consent_or_none(request: HttpRequest) -> Visitor.Consent:
    """The request's level of consent; NONE where the database does not say."""
    try:
        with _savepoint():
            return consent_of(request)
    except Error:
        logger.warning("The consent of this request could not be read.", exc_info=True)
        return Consent.NONE


def _savepoint() -> AbstractContextManager[Any]:
    """Inside the shop's own transaction a failed read must not poison it."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
