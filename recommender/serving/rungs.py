"""Ask one rung of the ladder: in a part of the budget, and not at all while it fails again and again."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import Error, InterfaceError, OperationalError

from recommender.conf import conf
from recommender.exceptions import NoLiveVersion, RecommenderError
from recommender.index import budget
from recommender.index.reading import reading
from recommender.serving.breaker import breaker, note_wait, page_waited
from recommender.telemetry import RUNG_FAILURES

logger = logging.getLogger(__name__)

RUNG_SHARE: Final = 0.75  # of what is left of the budget: the next rung needs some, too
AWAY: Final = (OperationalError, InterfaceError)  # the server, not the statement

T = TypeVar("T")


class Unanswered(Exception):
    """The rung failed, or is left alone for a moment because it failed before."""


def ask(rung: str, answer: Callable[[], T]) -> T | None:
    """What the rung answers; None where the shop has no model yet.

    Raises:
        Unanswered: the next rung is asked.
    """
    own = breaker(rung)
    if page_waited(rung) or not own.lets_pass():
        raise Unanswered
    try:
        with budget.within(RUNG_SHARE * budget.seconds_left()), reading(conf.BUDGET_MS, conf.CANDIDATES):
            found = answer()
    except NoLiveVersion:
        found = None  # a new shop, not a fault: the admin page says so
    except AWAY as error:
        _failed(rung)
        note_wait(rung)
        logger.warning("The database does not answer the rung %s: %s", rung, error)
        raise Unanswered from error
    except (RecommenderError, Error) as error:
        _failed(rung)
        logger.warning("The rung %s failed; stepping down.", rung, exc_info=True)
        raise Unanswered from error
    own.succeeded()
    return found


def _failed(rung: str) -> None:
    breaker(rung).failed()
    RUNG_FAILURES.labels(rung).inc()
