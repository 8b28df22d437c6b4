"""Experiments that run, for tests that need one."""

from typing import Any
from uuid import UUID

from django.utils import timezone

from recommender.experiments.assignment import arm_of
from recommender.models import Arm, Experiment, ModelVersion, Visitor
from recommender.serving.arms import forget_running


def run_experiment(*strategies: str, version: ModelVersion | None = None, **fields: Any) -> list[Arm]:
    """The arms of a running experiment, one a strategy, the first of them the control."""
    experiment = Experiment.objects.create(
        name="Test", **{"status": "running", "started_at": timezone.now(), "salt": "test", **fields}
    )
    arms = [
        Arm.objects.create(
            experiment=experiment,
            name=strategy,
            strategy=strategy,
            version=version if strategy in (Arm.Strategy.VERSION, Arm.Strategy.INTERLEAVED) else None,
            is_control=place == 0,
        )
        for place, strategy in enumerate(strategies)
    ]
    forget_running()
    return arms


def visitor_in(place: int, arms: int = 2, *, skip: int = 0) -> Visitor:
    """A new visitor whose key falls in arm number `place` of `arms` with equal weights, of the salt "test"."""
    keys = (UUID(int=number) for number in range(1, 10_000))
    found = (key for key in keys if arm_of("test", str(key), 1.0, (1,) * arms) == place)
    for _ in range(skip):
        next(found)
    return Visitor.objects.create(key=next(found))
