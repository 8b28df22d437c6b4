"""Short form of `python -m benchmarks.kills`: training processes are killed, and the same version comes out."""

from pathlib import Path

import pytest
from django.utils import timezone

from benchmarks.kills import measure
from tests.plugin import worker_environment
from tests.training_worlds import make_trainable_shop


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_trainings_end_in_the_same_version_and_pages_never_see_two(broker_url: str, tmp_path: Path) -> None:
    shelf = make_trainable_shop()
    environment = worker_environment(broker_url) | {"DJANGO_SETTINGS_MODULE": "benchmarks.kills_settings"}
    found = measure(2, tmp_path, environment, timezone.now(), shelf[0].pk, seed=1)
    assert all(kill.is_same for kill in found.kills) and sum(kill.met for kill in found.kills) == 2
    assert (found.two_live, found.mixed_lists) == (0, 0)
    assert found.lists > 10, "somebody looked meanwhile"
