"""Events and items → one judged version. The whole offline story between export and publication, without Django."""

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.capture.tables import EventLog, ItemTable
from recommender.checkpoints import Checkpoints
from recommender.dataset.cold_items import NAME as COLD_ITEMS
from recommender.dataset.cold_items import ColdItems, pack_cold
from recommender.dataset.ease_links import NAME as EASE_LINKS
from recommender.dataset.ease_links import pack_ease
from recommender.dataset.graph import item_pairs
from recommender.dataset.item_encoder import NAME as ITEM_ENCODER
from recommender.dataset.item_encoder import pack_encoder
from recommender.dataset.links import packed
from recommender.dataset.ranking_features import STATISTICS
from recommender.dataset.split import Holdout, holdout_start, lesson, split_by_time
from recommender.encoders.item_map import NAME as ITEM_MAP
from recommender.encoders.item_map import map_items
from recommender.encoders.progress import Report
from recommender.encoders.ranker import start_of
from recommender.encoders.stack import train_stack
from recommender.encoders.tables import Cold, EmbeddingTable
from recommender.encoders.training import State, read_written, written
from recommender.encoders.visitor_onnx import NAME, export_visitor_encoder
from recommender.encoders.warm import NAME as LEFT
from recommender.encoders.warm import Left, begin, leave
from recommender.evaluation.baselines import PURCHASES, Scorer, item_knn, own_decayed, popular
from recommender.evaluation.gate import Verdict, beaten, judge
from recommender.evaluation.judge import (
    Ranked,
    drawn,
    mean,
    measure,
    rank,
    relevant_items,
    split_by_taken,
    standard_error,
)
from recommender.evaluation.segments import by_history, by_segment, calibration
from recommender.evaluation.temperature import temperatures
from recommender.learning import Learned, PipelineSettings, go_on, moment, served_lists, taken, teach
from recommender.stages import Stages

MAX_HOLDOUT_SHARE = 0.1  # of the visitors' days
JUDGE_VISITORS = 5_000


def train_version(
    log: EventLog,
    items: ItemTable,
    settings: PipelineSettings,
    report: Report,
    *,
    left: Left | Cold = Cold.NOTHING,
    cut: int | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[EmbeddingTable, Verdict]:
    """Train, weigh, rank, judge; returns what would be published and whether it should be.

    Args:
        left: what the live version left to go on from, or why to begin anew.
        cut: seconds since 1970 UTC where the holdout begins; None takes `settings.holdout_days`.
        checkpoints: where finished steps are kept, so that a training that is killed goes on from there.
    """
    stage = Stages(report, checkpoints, len(log))
    start = holdout_start(log, MAX_HOLDOUT_SHARE, settings.holdout_days) if cut is None else cut
    train, holdout = split_by_time(log, start)
    validation = lesson(train, holdout_start(train, settings.validation_share))
    seen_until = validation.first.start
    beginning = begin(left, items, settings.stack, seen_until, settings.full_training_days, stage, stage.keep)
    before = train_stack(validation.log, items, settings.stack, stage, beginning.start, stage.keep)
    leaves, cold = leave(before, items, seen_until, beginning.began), beginning.cold
    parts, ranker = teach(before, validation, settings, stage)
    known = before.start(seen_until)
    del before, beginning, validation
    learned = Learned(go_on(known, train, items, settings, stage, "refit"), parts, ranker)

    learned, comparison = compared(learned, train, holdout, settings, stage)

    known, parts, ranker = learned.stack.start(holdout.start), learned.parts, learned.ranker
    del learned
    learned = Learned(go_on(known, log, items, settings, stage, "final"), parts, ranker)

    vectors_done = stage("vectors")
    table = embed(learned, log, items, settings, stage.losses)
    moment_of_cut = datetime.datetime.fromtimestamp(holdout.start, datetime.UTC).isoformat()
    asked = {"visitors": comparison.visitors, "start": moment_of_cut}
    verdict = judge(table.vector, len(items), comparison.metrics, comparison.errors, asked)
    verdict = replace(verdict, details=comparison.details)
    vectors_done(1, 1, 0.0)
    table.artifacts[LEFT] = leaves
    return replace(table, cold=cold), verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rankers on one holdout.

    Attributes:
        metrics: ranker name → metric → mean over visitors.
        errors: ranker name → standard error of its difference to ours in NDCG@10.
        visitors: how many were asked. details: see `Verdict.details`.
    """

    metrics: dict[str, dict[str, float]]
    errors: dict[str, float]
    visitors: int
    details: dict[str, Any]

    @property
    def beaten(self) -> bool:
        """Whether a baseline is better than ours."""
        return bool(beaten(self.metrics, self.errors, self.visitors))


def compared(
    learned: Learned, train: EventLog, holdout: Holdout, settings: PipelineSettings, stage: Stages
) -> tuple[Learned, Comparison]:
    """What was learned, judged; where a baseline beats its ranker, with the ranker's start, if none beats that.

    The start has learned nothing, so that the holdout is asked about two rankers and cannot be learned by heart.
    """

    rankers = {"learned": learned.ranker}
    if (start := start_of(learned.ranker)) != learned.ranker:
        rankers["start"] = start
    done = stage("judge")

    def compute() -> State:
        found = compare(learned, rankers, train, holdout, settings)
        return written({name: asdict(each) for name, each in found.items()})

    found = {name: Comparison(**each) for name, each in read_written(stage.keep("judge", compute)).items()}
    done(1, 1, 0.0)
    if found["learned"].beaten and "start" in found and not found["start"].beaten:
        return replace(learned, ranker=start), found["start"]
    return learned, found["learned"]


def compare(
    learned: Learned,
    rankers: Mapping[str, dict[str, Any]],
    train: EventLog,
    holdout: Holdout,
    settings: PipelineSettings,
) -> dict[str, Comparison]:
    """Ours in the order of each ranker, by its name, beside the baselines, on the holdout."""
    stack = learned.stack
    seen = moment(stack, learned.parts, train, holdout.start)
    rows = len(stack.items)
    asked, relevant = relevant_items(holdout, seen.grouped, stack.items)
    asked, relevant = drawn(asked, relevant, JUDGE_VISITORS, stack.settings.seed)
    before = taken(seen.grouped.of(asked), rows)

    def ranked(score: Scorer) -> Ranked:
        return rank(score, asked, before)

    def promised(score: Scorer) -> Ranked:
        return rank(score, asked, before, temperatures(score, asked, relevant))

    baselines = {  # one after the other: each is as large as the log
        "popularity": ranked(popular(seen.grouped, rows, seen.now)),
        "item_knn": ranked(item_knn(seen.grouped, rows)),
        "own_decayed": ranked(own_decayed(seen.grouped, rows, seen.now, PURCHASES)),
    }
    ours = served_lists(stack, seen, settings, learned.ranker).scorers(rankers, asked)
    return {name: _comparison(baselines | {"ours": promised(score)}, relevant, before) for name, score in ours.items()}


def _comparison(ranked: dict[str, Ranked], relevant: sp.csr_matrix, before: sp.csr_matrix) -> Comparison:
    """Args: by ranker name its lists; [n, item rows] what each visitor did next, and what it took before."""
    _, new = split_by_taken(relevant, before)
    found = {name: measure(lists, relevant, new) for name, lists in ranked.items()}
    ours = found["ours"]["ndcg@10"]
    return Comparison(
        metrics={name: {metric: mean(each) for metric, each in columns.items()} for name, columns in found.items()},
        errors={name: standard_error(ours - columns["ndcg@10"]) for name, columns in found.items()},
        visitors=relevant.shape[0],
        details={
            "segments": by_segment(ranked, relevant, before),
            "calibration": calibration(ranked["ours"], relevant),
            "by_history": by_history(ranked["ours"], relevant, before),
        },
    )


def embed(
    learned: Learned,
    log: EventLog,
    items: ItemTable,
    settings: PipelineSettings,
    losses: list[dict[str, object]],
    now: int | None = None,
) -> EmbeddingTable:
    """What goes to Postgres: vectors and popularity as of now, pairs, the visitor encoder, the item encoder.

    Args:
        now: seconds since 1970 UTC; None is the newest event.
    """
    stack, parts = learned.stack, learned.parts
    seen = moment(stack, parts, log, int(log.at[-1]) if now is None else now)
    pairs = item_pairs(seen.grouped, len(stack.items), settings.min_buyers)
    keys = stack.items.keys
    trained = np.zeros(len(stack.items), dtype=bool)
    trained[seen.grouped.item] = True
    artifacts = {NAME: export_visitor_encoder(stack.visitor_encoder(parts), seen.fused.shape[1])}
    price = STATISTICS.index("price")
    unknown = seen.statistics[0].copy()  # row 0 is padding: an item that nobody took
    unknown[price] = np.median(seen.statistics[1:, price])
    item_encoder = stack.item_encoder(items, unknown)
    if item_encoder is not None:
        artifacts[ITEM_ENCODER] = pack_encoder(item_encoder)
    ease = stack.links["ease"]
    artifacts[COLD_ITEMS] = pack_cold(ColdItems.of(seen.statistics, seen.fused, seen.now, stack.added_at))
    artifacts[EASE_LINKS] = pack_ease(keys, ease.indptr, ease.indices, ease.data)
    artifacts[ITEM_MAP] = map_items(keys, seen.fused[1:], seen.popularity[1:], parts, settings.stack.seed)
    return EmbeddingTable(
        item=keys,
        vector=seen.fused[1:],
        popularity=seen.popularity[1:],
        statistics=seen.statistics[1:],
        links=packed(stack.links)[1:],
        is_cold=~trained[1:],
        parts=parts,
        visitor=seen.grouped.visitor,
        visitor_vector=seen.visitors,
        pair_item=keys[pairs.item - 1],
        pair_other=keys[pairs.other - 1],
        pair_score=pairs.score,
        pair_support=pairs.support,
        artifacts=artifacts,
        ranker=learned.ranker,
        losses=losses,
        events_until=seen.now,
    )
