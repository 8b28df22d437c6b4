"""What a run writes down about its start: from the live version, or why from scratch."""

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from recommender.encoders.tables import Cold
from recommender.encoders.warm import NAME as LEFT
from recommender.evaluation.gate import judge
from recommender.models import ModelArtifact, ModelVersion, TrainingRun
from recommender.retrain import _left, pipeline_settings
from recommender.runs import retry
from tests.tiny_tables import tiny_table
from tests.training_worlds import make_trainable_shop
from tests.worlds import make_products, publish_tiny_version

Status = TrainingRun.Status


def new_run(**fields: object) -> TrainingRun:
    return TrainingRun.objects.create(trigger="command", **fields)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_second_run_goes_on_from_the_first_unless_it_is_asked_not_to(settings) -> None:
    settings.RECOMMENDER_TRAINING_EFFORT = 0.05
    make_trainable_shop()
    for cold in (False, False, True):
        call_command("recommender_train", cold=cold, verbosity=0)
    first, second, third = TrainingRun.objects.order_by("pk")
    assert first.counts["cold_because"] == Cold.NOTHING
    assert second.counts["warm_from"] == first.version.pk and "cold_because" not in second.counts
    assert third.counts["cold_because"] == Cold.ASKED
    assert third.counts["augmentations"] == ["edges"]


@pytest.mark.django_db(transaction=True)
def test_vectors_with_nan_are_refused_with_the_gates_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    table = tiny_table(make_trainable_shop())
    table.vector[[1, 2]] = np.nan
    verdict = judge(table.vector, len(table.item), {}, {}, {"visitors": 0})
    monkeypatch.setattr("recommender.retrain.train_version", lambda *_args, **_options: (table, verdict))
    with pytest.raises(CommandError, match="2 vectors hold NaN") as ended:
        call_command("recommender_train", verbosity=0)
    assert ended.value.returncode == 3
    assert TrainingRun.objects.get().status == Status.REFUSED
    assert not ModelVersion.objects.exists()


@pytest.mark.django_db
class TestAugmentations:
    def test_what_is_set_is_used_where_nothing_was_chosen(self, settings) -> None:
        settings.RECOMMENDER_AUGMENTATIONS = ["mask", "edges"]
        stack = pipeline_settings(new_run()).stack
        assert stack.sequence.views == ("mask",) and stack.graph.contrast > 0

    def test_what_was_chosen_for_the_run_wins(self) -> None:
        stack = pipeline_settings(new_run(augmentations=["reorder", "crop"], status=Status.FAILED)).stack
        assert stack.sequence.views == ("crop", "reorder") and stack.graph.contrast == 0
        assert pipeline_settings(new_run(augmentations=[])).stack.sequence.views == ()


@pytest.mark.django_db
class TestLeft:
    def test_no_version_leaves_nothing(self) -> None:
        assert _left(new_run(), None) == Cold.NOTHING

    def test_a_version_of_older_code_leaves_nothing(self) -> None:
        assert _left(new_run(), publish_tiny_version(make_products(3))) == Cold.NOTHING

    def test_a_file_of_another_layout_leaves_nothing(self) -> None:
        version = publish_tiny_version(make_products(3), artifacts={LEFT: np.arange(9).tobytes()})
        assert _left(new_run(), version) == Cold.NOTHING

    def test_a_run_that_is_tried_again_begins_as_it_began(self) -> None:
        settings = {"status": Status.FAILED, "finished_at": timezone.now()}
        first = new_run(counts={"cold_because": Cold.NOTHING.value, "events": 9}, **settings)
        again = retry(first)
        assert again.counts == {"cold_because": Cold.NOTHING.value}
        assert _left(again, None) == Cold.NOTHING
        assert _left(new_run(status=Status.CANCELLED), None) == Cold.FAILED

    def test_a_file_that_was_changed_is_not_read(self) -> None:
        version = publish_tiny_version(make_products(3), artifacts={LEFT: np.arange(9).tobytes()})
        ModelArtifact.objects.filter(name=LEFT).update(content=b"other")
        assert _left(new_run(), version) == Cold.NOTHING

    @pytest.mark.parametrize("status", [Status.FAILED, Status.REFUSED])
    def test_after_a_run_that_published_nothing_it_begins_anew(self, status: str) -> None:
        version = publish_tiny_version(make_products(3))
        new_run(status=status)
        assert _left(new_run(), version) == Cold.FAILED
