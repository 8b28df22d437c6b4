"""What the demo says of the first training."""

import pytest

from demo.first_training import first_run, follow, has_live_version, outcome
from demo.processes import ProcessFailed
from recommender.models import ModelVersion, TrainingRun

Status = TrainingRun.Status


def run_with(status: str, **fields: object) -> TrainingRun:
    return TrainingRun.objects.create(status=status, trigger="command", **fields)


def version_of(run: TrainingRun, **verdict: object) -> ModelVersion:
    verdict = {"passed": True, "reasons": [], "metrics": {}, **verdict}
    return ModelVersion.objects.create(run=run, dim=4, item_count=1, visitor_count=1, parts=[], verdict=verdict)


def test_a_run_that_was_cut_off_is_taken_up_instead_of_a_second_one(db, broker_url: str):
    running = run_with(Status.RUNNING)
    assert first_run() == running
    assert TrainingRun.objects.count() == 1


def test_without_one_a_run_is_queued(db, broker_url: str):
    assert not has_live_version()
    assert first_run().status == Status.QUEUED


def test_a_published_run_tells_its_numbers(db):
    run = run_with(Status.PUBLISHED)
    version_of(run, metrics={"ours": {"ndcg@10": 0.25}, "popularity": {"ndcg@10": 0.0689}})
    assert outcome(run) == "The first model is live. NDCG@10 on held-out weeks: ours 0.250, popularity 0.069."


def test_a_refused_run_tells_the_reasons(db):
    run = run_with(Status.REFUSED)
    version_of(run, passed=False, reasons=["worse than popularity"])
    assert "worse than popularity" in outcome(run)


def test_a_failed_run_tells_its_error(db):
    assert "out of memory" in outcome(run_with(Status.FAILED, error="out of memory"))


def test_progress_is_shown_until_the_run_ends(db, capsys: pytest.CaptureFixture[str]):
    run = run_with(Status.RUNNING, stage="graph", epoch=2, epochs=9, loss=1.5, progress=0.4, eta_seconds=61.0)

    def end() -> None:
        TrainingRun.objects.update(status=Status.FAILED, error="stopped for the test")

    assert "stopped for the test" in follow(run, check=end)
    assert "training: graph, 40%, epoch 2/9, loss 1.500, 61 s left" in capsys.readouterr().out


def test_a_dead_program_ends_the_wait(db):
    def check() -> None:
        raise ProcessFailed("the training worker is gone")

    with pytest.raises(ProcessFailed, match="worker is gone"):
        follow(run_with(Status.RUNNING), check)
