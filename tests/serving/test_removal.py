"""Why: what each feature adds is the score, and what a request says of the history is what forgetting it would do."""

import time

import numpy as np
import pytest

from recommender.capture.export import export_events, export_items
from recommender.capture.tables import CART, VIEW
from recommender.dataset.split import lesson
from recommender.index.publish import publish
from recommender.index.reading import reading
from recommender.index.writer import write_version
from recommender.learning import learn
from recommender.models import ModelVersion, TrainingRun, Visitor
from recommender.pipeline import embed
from recommender.serving.candidates import retrieve
from recommender.serving.history import read_history
from recommender.serving.reasons import group_shares
from recommender.serving.removal import causes_of, exact_drops, quick_drops
from recommender.serving.scoring import Scored, score
from recommender.serving.visitor_vector import VisitorEncoder, visitor_encoder
from recommender.stages import Stages
from tests.test_pipeline import SMALL
from tests.tiny_tables import linear_ranker
from tests.training_worlds import make_trainable_shop
from tests.worlds import PASSED, make_event

ASKED = 20  # visitors
SHOWN = 12


def train() -> ModelVersion:
    shelf = make_trainable_shop()
    for number, visitor in enumerate(Visitor.objects.order_by("pk")[:ASKED]):
        make_event(visitor, shelf[number % 30], VIEW, days_ago=0.4)
        make_event(visitor, shelf[(7 * number + 3) % 30], CART, days_ago=0.0)
    log, items = export_events(), export_items()
    learned = learn(lesson(log, int(log.at[len(log) * 9 // 10])), log, items, SMALL, Stages(lambda progress: None))
    table = embed(learned, log, items, SMALL, [], int(time.time()))
    table.ranker.clear()
    table.ranker.update(linear_ranker(similarity=1.0, own_120=0.5, follow_now=0.3, ease_lately=0.3, content_now=0.1))
    run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger=TrainingRun.Trigger.COMMAND)
    return publish(write_version(run, table, PASSED))


def scored_for(visitor: Visitor, version: ModelVersion, encoder: VisitorEncoder) -> Scored:
    with reading(neighbours=150):
        history = read_history(visitor, version, encoder.max_length)
        vector = encoder.encode(history)
        assert vector is not None
        candidates = retrieve(version, vector, history.linked(), history.strongest_own(), ())
    return score(version, history, vector, candidates)


@pytest.mark.django_db
def test_what_a_request_says_is_what_forgetting_would_do() -> None:
    version = train()
    encoder = visitor_encoder(version)
    assert encoder.pool is not None and encoder.pool.parts == ["graph", "content"]
    correlations, kept, false, seconds = [], [], [], []
    for visitor in Visitor.objects.order_by("pk")[:ASKED]:
        scored = scored_for(visitor, version, encoder)
        rows = np.argsort(-scored.scores)[:SHOWN]
        exact = exact_drops(scored, rows, encoder)
        began = time.process_time()
        quick = quick_drops(scored, rows, encoder.pool)
        seconds.append(time.process_time() - began)
        assert quick.causes == causes_of(scored.history)
        correlations.append(float(np.corrcoef(quick.total.ravel(), exact.ravel())[0, 1]))
        best = quick.total.argmax(axis=0)
        of_best = exact[best, np.arange(len(rows))]
        kept += (of_best / np.maximum(exact.max(axis=0), 1e-6)).tolist()
        false += (of_best <= 0)[quick.total.max(axis=0) > 0.05].tolist()
        groups = group_shares(scored, rows)
        assert np.allclose(sum(groups.values()), scored.scores[rows], atol=1e-4)
    assert np.mean(correlations) > 0.8
    assert np.mean(kept) > 0.8  # of the drop that the item makes which really carries most
    assert np.mean(false) < 0.05
    assert np.median(seconds) < 0.003


@pytest.mark.django_db
def test_a_history_of_one_item_carries_everything() -> None:
    version = train()
    encoder = visitor_encoder(version)
    visitor = Visitor.objects.create()
    make_event(visitor, int(export_items().item[4]), VIEW)
    scored = scored_for(visitor, version, encoder)
    rows = np.argsort(-scored.scores)[:SHOWN]
    ((only,), quick) = exact_drops(scored, rows, encoder), quick_drops(scored, rows, encoder.pool)
    assert only.min() > -1 and np.isfinite(only).all() and np.isfinite(quick.total).all()
    assert only[0] > 0 and quick.total[0, 0] > 0
