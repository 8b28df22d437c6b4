"""A request scores an item as training and judging did: what was learned is what is shown."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recommender.capture.export import export_events, export_items
from recommender.capture.tables import CART, VIEW
from recommender.dataset import ranking_features
from recommender.dataset.ranking_features import FEATURES, rank_candidates
from recommender.dataset.split import lesson
from recommender.index.publish import publish
from recommender.index.writer import write_version
from recommender.learning import PipelineSettings, learn, moment, served_lists
from recommender.models import Placement, TrainingRun, Visitor
from recommender.pipeline import embed
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from recommender.stages import Stages
from tests.test_pipeline import SMALL
from tests.training_worlds import make_trainable_shop
from tests.worlds import PASSED, make_event

SETTINGS: PipelineSettings = SMALL


def ranker_of_everything() -> dict[str, Any]:
    """Every feature matters, none alone."""
    rng, width = np.random.default_rng(1), len(FEATURES)
    return {
        "mean": [0.5] * width,
        "scale": [2.0] * width,
        "linear": rng.normal(size=width).tolist(),
        "hidden": rng.normal(size=(width, 4)).tolist(),
        "bias": rng.normal(size=4).tolist(),
        "out": rng.normal(size=4).tolist(),
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("own_items", "linked_items"), [(150, 40), (1, 40), (150, 2)])
def test_a_request_scores_as_the_judge_does(own_items: int, linked_items: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking_features, "OWN_ITEMS", own_items)
    for module in ("dataset.link_packing", "dataset.visitor_statistics", "evaluation.served", "serving.history"):
        monkeypatch.setattr(f"recommender.{module}.LINKED_ITEMS", linked_items)
    Placement.objects.create(name="for_you", sources=["personal"], repeat_share=1.0)
    shelf = make_trainable_shop()
    visitor = Visitor.objects.order_by("pk")[7]
    for place, (kind, days_ago) in enumerate([(VIEW, 0.5), (CART, 0.4), (VIEW, 0.0)]):
        make_event(visitor, shelf[3 * place], kind, days_ago=days_ago)
    log, items = export_events(), export_items()
    validation = lesson(log, int(log.at[len(log) * 9 // 10]))
    learned = learn(validation, log, items, SETTINGS, Stages(lambda progress: None))
    learned = replace(learned, ranker=ranker_of_everything())

    now = int(time.time())
    seen = moment(learned.stack, learned.parts, log, now)
    number = int(np.searchsorted(seen.grouped.visitor, visitor.pk))
    ((rows, features),) = served_lists(learned.stack, seen, SETTINGS, learned.ranker).features(np.array([number]))
    expected = dict(
        zip(learned.stack.items.keys[rows - 1].tolist(), rank_candidates(features, learned.ranker), strict=True)
    )

    run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger=TrainingRun.Trigger.COMMAND)
    publish(write_version(run, embed(learned, log, items, SETTINGS, [], now), PASSED))
    found = recommend(Query("for_you", visitor, 12))

    assert found.rung == "personal"
    got = {entry.item.pk: entry.score for entry in found.entries}
    wanted = sorted(expected.values(), reverse=True)[:12]
    assert [got[key] for key in got] == pytest.approx([expected[key] for key in got], abs=0.05)
    assert sorted(got.values(), reverse=True) == pytest.approx(wanted, abs=0.05)
