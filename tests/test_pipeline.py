"""The offline story on shops whose right answer is known."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from recommender.capture.tables import PURCHASE, VIEW, EventLog, ItemTable
from recommender.dataset.item_encoder import NAME as ITEM_ENCODER
from recommender.dataset.item_encoder import fuse_parts, unpack_encoder
from recommender.dataset.link_packing import unpack_links
from recommender.dataset.ranking_features import FEATURES, RELATIONS, STATISTICS
from recommender.dataset.split import holdout_start, lesson, split_by_time
from recommender.dataset.words import words_of
from recommender.encoders.graph import GraphSettings
from recommender.encoders.progress import Progress
from recommender.encoders.ranker import start_of
from recommender.encoders.sequence import SequenceSettings
from recommender.encoders.stack import StackSettings
from recommender.encoders.tables import Cold, EmbeddingTable
from recommender.encoders.warm import NAME as LEFT
from recommender.encoders.warm import Left, read
from recommender.evaluation.gate import Verdict
from recommender.learning import PipelineSettings, learn, moment, served_lists
from recommender.pipeline import compare, compared, train_version
from recommender.stages import STAGES, Stages
from tests.event_logs import DAY, START, camps, catalogue, log_of, shuffled
from tests.plugin import ROOT

SMALL = PipelineSettings(
    stack=StackSettings(
        content_dim=16,
        effort=0.05,
        graph=GraphSettings(dim=16, batch=512, negatives=32),
        sequence=SequenceSettings(dim=16, length=16, batch=32),
    )
)
OWN_COUNTS = [name.startswith("own_") for name in FEATURES]


def train(
    log: EventLog, items: ItemTable, left: Left | Cold = Cold.NOTHING
) -> tuple[EmbeddingTable, Verdict, list[Progress]]:
    reports: list[Progress] = []
    table, verdict = train_version(log, items, SMALL, reports.append, left=left)
    return table, verdict, reports


@pytest.fixture(scope="module")
def trained() -> tuple[EmbeddingTable, Verdict, list[Progress]]:
    return train(camps(), catalogue(42))  # items 41 and 42 are new: no event


def own_camp_share(table: EmbeddingTable) -> float:
    """Share of the ten nearest items of each visitor that are of its own camp."""
    scores = table.visitor_vector[:] @ table.vector[:40].T
    best = table.item[np.argsort(-scores, axis=1)[:, :10]]
    wanted = np.where((table.visitor - 1) % 2 == 0, 1, 0)  # visitor 1 buys odd items
    return float((best % 2 == wanted[:, None]).mean())


def test_visitors_are_shown_their_own_camp(trained: tuple[EmbeddingTable, Verdict, list[Progress]]) -> None:
    assert own_camp_share(trained[0]) > 0.9


def test_the_shuffled_twin_has_no_camps_to_show() -> None:
    table, _, _ = train(shuffled(camps()), catalogue(42))
    assert 0.4 < own_camp_share(table) < 0.6


def test_every_item_has_a_unit_vector_and_new_ones_are_cold(
    trained: tuple[EmbeddingTable, Verdict, list[Progress]],
) -> None:
    table = trained[0]
    assert table.item.tolist() == list(range(1, 43))
    assert np.allclose(np.linalg.norm(table.vector, axis=1), 1, atol=1e-4)
    assert table.item[table.is_cold].tolist() == [41, 42]


def test_a_new_item_gets_the_very_vector_that_training_gives_a_cold_one(
    trained: tuple[EmbeddingTable, Verdict, list[Progress]],
) -> None:
    table, items = trained[0], catalogue(42)
    encoder = unpack_encoder(table.artifacts[ITEM_ENCODER])
    vectors = fuse_parts(encoder.parts(items), {part.name: part.weight for part in table.parts})
    cosine = (vectors * table.vector).sum(axis=1)
    assert cosine[table.is_cold].min() > 0.9999
    columns = next(slice(part.start, part.stop) for part in table.parts if part.name == "content")
    assert np.allclose(vectors[:, columns], table.vector[:, columns], atol=2e-3)  # of known items, too
    price = STATISTICS.index("price")
    without_price = np.delete(np.arange(len(STATISTICS)), price)
    assert (table.statistics[table.is_cold][:, without_price] == encoder.statistics[without_price]).all()


def test_a_new_item_has_the_words_in_common_that_training_would_count(
    trained: tuple[EmbeddingTable, Verdict, list[Progress]],
) -> None:
    table, items = trained[0], catalogue(42)
    words, encoder = list(words_of(items)), unpack_encoder(table.artifacts[ITEM_ENCODER])
    rows, strengths = unpack_links(table.links[41])
    content = strengths[:, RELATIONS.index("content")]
    linked = rows[content > 0]
    assert len(linked) > 10
    again = encoder.words.strengths(words[41], [words[row - 1] for row in linked])
    assert np.allclose(again, content[content > 0], atol=1e-3)


def test_progress_only_grows_and_ends_before_publishing(
    trained: tuple[EmbeddingTable, Verdict, list[Progress]],
) -> None:
    fractions = [report.fraction for report in trained[2]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1 - STAGES["publish"])
    assert {report.stage for report in trained[2]} >= {"text", "autoencoder", "graph", "sequence", "fusion", "judge"}


def habits(visitors: int = 60, days: int = 24) -> EventLog:
    """Each visitor buys one of its own three items every day."""
    rng = np.random.default_rng(0)
    own = [rng.choice(40, 3, replace=False) + 1 for _ in range(visitors)]
    times = [(day, visitor) for day in range(days) for visitor in range(visitors)]
    return log_of([(who + 1, int(rng.choice(own[who])), PURCHASE, START + day * DAY + who) for day, who in times])


def test_one_busy_visitor_switches_off_neither_gate_nor_weights_nor_ranker() -> None:
    shop = camps(visitors=60, events=8)
    rows = [(visitor, item, PURCHASE, at) for visitor, item, at in zip(shop.visitor, shop.item, shop.at, strict=True)]
    looks = [(999, look % 40 + 1, VIEW, int(shop.at[-1]) + 3 * look) for look in range(5_000)]
    table, verdict, _ = train(log_of(rows + looks), catalogue(40))
    assert verdict.holdout["visitors"] >= 40
    assert table.ranker
    assert len({part.weight for part in table.parts}) > 1


def test_a_ranker_that_a_baseline_beats_goes_back_to_its_start() -> None:
    log, items = habits(), catalogue(42)
    start = holdout_start(log, 0.1, SMALL.holdout_days)
    before, holdout = split_by_time(log, start)
    validation = lesson(before, holdout_start(before, SMALL.validation_share))
    learned = learn(validation, before, items, SMALL, Stages(lambda progress: None))
    upside_down = replace(learned, ranker=learned.ranker | {"linear": [-9.0 if at else 0.0 for at in OWN_COUNTS]})
    stage = Stages(lambda progress: None)
    kept, comparison = compared(upside_down, before, holdout, SMALL, stage)
    assert compare(upside_down, {"it": upside_down.ranker}, before, holdout, SMALL)["it"].beaten
    assert not comparison.beaten
    assert kept.ranker == start_of(learned.ranker)
    again, _ = compared(kept, before, holdout, SMALL, stage)
    assert again is kept


def test_what_is_learned_of_habits_is_published_with_the_ranker() -> None:
    log, items = habits(), catalogue(42)
    before, _ = split_by_time(log, holdout_start(log, 0.1, SMALL.holdout_days))
    validation = lesson(before, holdout_start(before, SMALL.validation_share))
    learned = learn(validation, before, items, SMALL, Stages(lambda progress: None))
    seen = moment(learned.stack, learned.parts, before, int(before.at[-1]))
    ((_, features),) = served_lists(learned.stack, seen, SMALL, learned.ranker).features(np.array([0]))
    is_repeat, habit = (features[:, FEATURES.index(name)] for name in ("is_repeat", "habit"))
    assert habit[is_repeat > 0].max() > 0
    assert (habit[is_repeat == 0] == 0).all()


def test_the_same_seed_gives_the_same_table(trained: tuple[EmbeddingTable, Verdict, list[Progress]]) -> None:
    again, _, _ = train(camps(), catalogue(42))
    assert (again.vector == trained[0].vector).all()
    assert again.artifacts == trained[0].artifacts


def vector_hash() -> str:
    return hashlib.sha256(train(camps(), catalogue(42))[0].vector.tobytes()).hexdigest()


def test_another_process_makes_the_same_vectors(trained: tuple[EmbeddingTable, Verdict, list[Progress]]) -> None:
    program = "from tests.test_pipeline import vector_hash; print(vector_hash())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(trained[0].vector.tobytes()).hexdigest()


def test_a_day_later_it_goes_on_and_shows_the_camps(trained: tuple[EmbeddingTable, Verdict, list[Progress]]) -> None:
    left = read(trained[0].artifacts[LEFT])
    table, _, reports = train(camps(events=25), catalogue(43), left)
    assert (trained[0].cold, table.cold) == (Cold.NOTHING, None)
    assert own_camp_share(table) > 0.9
    assert table.item[table.is_cold].tolist() == [41, 42, 43]
    assert ITEM_ENCODER in table.artifacts
    assert read(table.artifacts[LEFT]).began == left.began < read(table.artifacts[LEFT]).seen_until
    passes = [sum(report.stage == "graph" for report in run) for run in (trained[2], reports)]
    assert passes[1] < passes[0] / 2


def test_what_is_left_knows_nothing_that_weighs_or_judges(
    trained: tuple[EmbeddingTable, Verdict, list[Progress]],
) -> None:
    log = camps()
    left = read(trained[0].artifacts[LEFT])
    after = log.at >= left.seen_until
    assert START < left.seen_until < START + 24 * DAY and after.any()
    other = replace(log, item=np.where(after, log.item[::-1], log.item))
    table, _, _ = train(other, catalogue(42))
    assert table.artifacts[LEFT] == trained[0].artifacts[LEFT]
    assert (table.vector != trained[0].vector).any()


def test_text_keys_work_like_numbers() -> None:
    log, items = camps(visitors=40), catalogue(40)
    named = EventLog(log.visitor, log.item.astype(str), log.kind, log.at, log.quantity)
    keys = np.sort(items.item.astype(str))
    order = keys.astype(int) - 1
    table = ItemTable(
        keys,
        [items.title[i] for i in order],
        [items.text[i] for i in order],
        {"camp": [items.attributes["camp"][i] for i in order]},
    )
    assert train(named, table)[0].item.tolist() == keys.tolist()


@pytest.mark.parametrize("visitors", [1, 2])
def test_almost_no_data_is_no_error(visitors: int) -> None:
    log = log_of([(visitor, 1 + visitor % 3, 1, 1_700_000_000 + visitor) for visitor in range(visitors)])
    table, verdict, _ = train(log, catalogue(3))
    assert verdict.passed
    assert table.vector.shape[0] == 3
