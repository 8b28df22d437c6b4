"""Who asks, for a page that must not break."""

import logging
from contextlib import nullcontext

from django.db import Error, connection, transaction
from django.http import HttpRequest

from recommender.capture.visitor import visitor_of
from recommender.models import Visitor

logger = logging.getLogger(__name__)


def visitor_or_none(request: HttpRequest) -> Visitor | None:
    """The request's visitor; None for somebody without events, and where the database does not say."""
    # Inside the shop's own transaction a failed read must not poison it.
    savepoint = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with savepoint:
            return visitor_of(request)
    except Error:
        logger.warning("The visitor of this request could not be read.", exc_info=True)
        return None
