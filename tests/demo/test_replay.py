"""Preparing a replay: a start that was killed while it trained is taken up again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from demo.replay import _which_run
from recommender.leases import claim
from recommender.models import TrainingRun
from recommender.runs import request_run


@pytest.mark.django_db
def test_a_training_begins_anew_unless_a_killed_one_waits() -> None:
    assert _which_run() == ["--cold"]
    run = request_run(TrainingRun.Trigger.COMMAND, to_broker=False)
    claim(run.pk)
    TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert _which_run() == [f"--run={run.pk}"]
