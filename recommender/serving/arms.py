"""Which arm of the running experiment a visitor is in, without asking the database: that is asked once in seconds."""

import logging
import time
from dataclasses import dataclass
from typing import Final

from django.db import Error

from recommender.conf import conf
from recommender.experiments.assignment import HOLDOUT_SALT, is_within
from recommender.experiments.assignment import arm_of as place_of
from recommender.index.reading import reading
from recommender.models import HOLDOUT_ARM, Arm, Experiment, ModelVersion, Visitor

logger = logging.getLogger(__name__)

CACHE_SECONDS: Final = 5.0  # start and stop of an experiment are seen by every web process within this time


@dataclass(frozen=True, slots=True)
class ServedArm:
    """What a visitor is served by. `id`: the Arm's, or HOLDOUT_ARM. `version`: None for the live one."""

    id: int
    strategy: str
    version: ModelVersion | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The experiment that runs, as far as serving needs it; arms and weights are in the same order."""

    salt: str
    share: float
    weights: tuple[int, ...]
    arms: tuple[ServedArm, ...]


HOLDOUT: Final = ServedArm(HOLDOUT_ARM, Arm.Strategy.POPULAR)
_cached: tuple[Running | None, float] = (None, 0.0)  # the experiment, and until when it may be used unasked


def arm_of(visitor: Visitor | None) -> ServedArm | None:
    """The visitor's arm; None outside of the experiment, and for somebody without a key that could be remembered.

    After a login it is the account's. Whoever then has been in two arms counts in the first.
    """
    if visitor is None:
        return None
    key = str(visitor.key)
    if conf.HOLDOUT_VISITORS_SHARE and is_within(HOLDOUT_SALT, key, conf.HOLDOUT_VISITORS_SHARE):
        return HOLDOUT
    experiment = running()
    if experiment is None:
        return None
    place = place_of(experiment.salt, key, experiment.share, experiment.weights)
    return None if place is None else experiment.arms[place]


def running() -> Running | None:
    """The experiment that runs, at most CACHE_SECONDS old; the last one known while the database does not answer."""
    global _cached
    experiment, until = _cached
    if time.monotonic() >= until:
        try:
            experiment = _read()
        except Error:
            logger.warning("The running experiment could not be read; the last one known goes on.", exc_info=True)
        _cached = (experiment, time.monotonic() + CACHE_SECONDS)
    return experiment


def forget_running() -> None:
    """The next `running()` of this process reads the database."""
    global _cached
    _cached = (None, 0.0)


def _read() -> Running | None:
    rows = Arm.objects.filter(experiment__status=Experiment.Status.RUNNING).order_by("pk")
    with reading(conf.BUDGET_MS):
        arms = list(rows.select_related("experiment", "version"))
    if not arms:
        return None
    experiment = arms[0].experiment
    served = tuple(ServedArm(arm.pk, arm.strategy, arm.version) for arm in arms)
    return Running(experiment.salt, experiment.share, tuple(arm.weight for arm in arms), served)
