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

LEAST_SECONDS: Final = 0.02  # in less no rung answers: to try would only cost a connection
AWAY: Final = (OperationalError, InterfaceError)  # the server, not the statement

T = TypeVar("T")


class Unanswered(Exception):
    """The rung failed, or is left alone for a moment because it failed before."""


def ask(rung: str, answer: Callable[[], T]) -> T | None:
    """What the rung answers; None where the shop has no model yet.

    Raises:
        Unanswered: there is no time left, or the rung has failed; the next one is asked.
    """
    own = breaker(rung)
    seconds = budget.RUNG_SHARE * budget.seconds_left()
    if seconds < LEAST_SECONDS or page_waited(rung) or not own.lets_pass():
        raise Unanswered
    try:
        with budget.within(seconds), reading(conf.BUDGET_MS, conf.CANDIDATES):
            found = answer()
    except NoLiveVersion:
        found = None  # a new shop or a new process, not a fault
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
