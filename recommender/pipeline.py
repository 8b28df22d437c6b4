"""Events and items → one judged version. The whole offline story between export and publication, without Django."""

import datetime
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import EventLog, ItemTable
from recommender.dataset.graph import ItemPairs, item_pairs, visitor_item_matrix
from recommender.dataset.item_statistics import item_statistics
from recommender.dataset.links import packed
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.split import Holdout, Lesson, holdout_start, lesson, split_by_time
from recommender.encoders.fusion import fit_weights, fuse, lay_out, popularity_part
from recommender.encoders.progress import Progress, Report
from recommender.encoders.ranker import Example, fit_ranker
from recommender.encoders.stack import Stack, StackSettings, encode_visitors, train_stack
from recommender.encoders.tables import Cold, EmbeddingTable, Part
from recommender.encoders.training import EpochReport, silent
from recommender.encoders.visitor_onnx import NAME, export_visitor_encoder
from recommender.encoders.warm import NAME as LEFT
from recommender.encoders.warm import Left, begin, leave
from recommender.evaluation.baselines import (
    ALL_KINDS,
    FOREVER,
    PURCHASES,
    Scorer,
    item_knn,
    own_decayed,
    popular,
    popularity,
)
from recommender.evaluation.gate import Verdict, judge
from recommender.evaluation.judge import evaluate, mean, relevant_items, standard_error
from recommender.evaluation.served import ServedLists

Floats = NDArray[np.float32]
# Stages in order, with the share of the whole run that each takes (measured on 1.5 million events, two cores).
STAGES = {
    "text": 0.02,
    "autoencoder": 0.08,
    "graph": 0.09,
    "sequence": 0.33,
    "fusion": 0.1,
    "refit": 0.16,
    "judge": 0.03,
    "final": 0.16,
    "vectors": 0.02,
    "publish": 0.01,
}
WEIGHT_VISITORS = 600  # asked when the fusion weights are chosen
WEIGHT_ITEMS = 8_000  # drawn for the softmax that chooses them
RANKER_EXAMPLES = 4_000  # visitors
MAX_HOLDOUT_SHARE = 0.1  # of all events
JUDGE_VISITORS = 5_000


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    stack: StackSettings = StackSettings()
    validation_share: float = 0.1  # newest events before the holdout, for the weights and the ranker
    holdout_days: float = 14.0
    full_training_days: float = 7.0  # of events, between two trainings from scratch
    min_buyers: int = 5
    candidates: int = 300


class Stages:
    """Turns epochs of stages into `Progress` of the whole run, and keeps the losses."""

    def __init__(self, report: Report) -> None:
        self.report, self.began = report, time.monotonic()
        self.losses: list[dict[str, object]] = []
        self.names = list(STAGES)

    def __call__(self, stage: str) -> EpochReport:
        index = self.names.index(stage)
        before = sum(STAGES[name] for name in self.names[:index])

        def epoch_done(epoch: int, epochs: int, loss: float) -> None:
            fraction = before + STAGES[stage] * epoch / max(epochs, 1)
            elapsed = time.monotonic() - self.began
            left = elapsed * (1 - fraction) / fraction if fraction > 0.02 else None
            if epoch and loss:
                self.losses.append({"stage": stage, "epoch": epoch, "loss": round(loss, 6)})
            self.report(Progress(stage, index + 1, len(self.names), epoch, epochs, loss or None, fraction, left))

        epoch_done(0, 1, 0.0)
        return epoch_done


def train_version(
    log: EventLog,
    items: ItemTable,
    settings: PipelineSettings,
    report: Report,
    *,
    left: Left | Cold = Cold.NOTHING,
    cut: int | None = None,
    now: int | None = None,
) -> tuple[EmbeddingTable, Verdict]:
    """Train, weigh, rank, judge; returns what would be published and whether it should be.

    Args:
        left: what the live version left to go on from, or why to begin anew.
        cut: seconds since 1970 UTC where the holdout begins; None takes `settings.holdout_days`.
        now: the moment that published visitor vectors are computed for; None is the newest event.
    """
    stage = Stages(report)
    start = holdout_start(log, MAX_HOLDOUT_SHARE, settings.holdout_days) if cut is None else cut
    train, holdout = split_by_time(log, start)
    validation = lesson(train, holdout_start(train, settings.validation_share))
    seen_until = validation.first.start
    beginning = begin(left, items, settings.stack, seen_until, settings.full_training_days, stage)
    before = train_stack(validation.log, items, settings.stack, stage, beginning.start)
    leaves = leave(before, items, seen_until, beginning.began)
    learned = complete(before, validation, train, items, settings, stage)

    judge_done = stage("judge")
    comparison = compare(learned, train, holdout, settings)
    judge_done(1, 1, 0.0)

    learned = go_on(learned, log, items, settings, stage("final"))

    vectors_done = stage("vectors")
    table = embed(learned, log, settings, stage.losses, now)
    moment_of_cut = datetime.datetime.fromtimestamp(holdout.start, datetime.UTC).isoformat()
    asked = {"visitors": comparison.visitors, "start": moment_of_cut}
    verdict = judge(table.vector, len(items), comparison.metrics, comparison.errors, asked)
    vectors_done(1, 1, 0.0)
    table.artifacts[LEFT] = leaves
    return replace(table, cold=beginning.cold), verdict


@dataclass(frozen=True, slots=True)
class Learned:
    """All that makes a list: the encoders, the parts of the fused vector with their weights, the ranker."""

    stack: Stack
    parts: tuple[Part, ...]
    ranker: dict[str, Any]


def learn(validation: Lesson, train: EventLog, items: ItemTable, settings: PipelineSettings, stage: Stages) -> Learned:
    """Encoders from the log before the validation, then `complete`."""
    stack = train_stack(validation.log, items, settings.stack, stage)
    return complete(stack, validation, train, items, settings, stage)


def complete(
    stack: Stack, validation: Lesson, train: EventLog, items: ItemTable, settings: PipelineSettings, stage: Stages
) -> Learned:
    """Weights and ranker from what came in the validation; at last the encoders go on with all of `train`, so that the
    lists know its newest events."""
    fusion_done = stage("fusion")
    parts = weigh(stack, validation)
    ranker = learn_ranker(stack, parts, validation, settings)
    fusion_done(1, 1, 0.0)
    return go_on(Learned(stack, parts, ranker), train, items, settings, stage("refit"))


def go_on(
    learned: Learned, log: EventLog, items: ItemTable, settings: PipelineSettings, report: EpochReport
) -> Learned:
    """The same with encoders that know `log`, too.

    What the ranker learned of a part's cosine holds while encoders know the histories that they are asked about: with
    stale encoders NDCG@10 on Amazon Beauty was .035, with these .053.
    """
    reports = {"sequence": report}
    stack = train_stack(log, items, settings.stack, lambda stage: reports.get(stage, silent), learned.stack.start())
    return replace(learned, stack=stack)


@dataclass(frozen=True, slots=True)
class Moment:
    """The stack looked at from one moment: histories up to it, popularity and fused vectors as of it."""

    grouped: Histories
    popularity: Floats
    parts: tuple[Part, ...]
    fused: Floats
    visitors: Floats
    statistics: Floats
    now: int


def moment(stack: Stack, parts: tuple[Part, ...], log: EventLog, now: int) -> Moment:
    """Everything that a list needs at `now` from the events in `log`."""
    grouped = histories(log, stack.items)
    counts = popularity(grouped, len(stack.items), now)
    fused = fuse(stack.vectors | {"popularity": popularity_part(counts)}, parts)
    fused[0] = 0.0
    visitors = encode_visitors(stack.visitor_encoder(parts), fused, grouped, now)
    statistics = item_statistics(grouped, len(stack.items), now, stack.price_cents)
    return Moment(grouped, counts, parts, fused, visitors, statistics, now)


def weigh(stack: Stack, validation: Lesson) -> tuple[Part, ...]:
    """Choose the parts' weights on what visitors did next: on items new to them where there are any.

    A sample of visitors and items is enough for four numbers.
    """
    even = lay_out(stack.dims, dict.fromkeys(stack.dims, 1.0))
    seen = moment(stack, even, validation.log, validation.first.start)
    asked, relevant = relevant_items(validation.first, seen.grouped, stack.items)
    asked, relevant = asked[:WEIGHT_VISITORS], relevant[:WEIGHT_VISITORS]
    if not len(asked):
        return even
    sample = np.random.default_rng(stack.settings.seed).permutation(np.arange(1, len(stack.items)))[:WEIGHT_ITEMS]
    rows = np.union1d(sample, relevant.indices)
    right = relevant.toarray()[:, rows] > 0
    taken = _taken(seen.grouped, len(stack.items))[asked].toarray()[:, rows] > 0
    if (right & ~taken).any():
        right &= ~taken
    cosines = np.stack([_cosine(seen, part, asked, rows) for part in even], axis=-1)
    return lay_out(stack.dims, fit_weights(cosines, right, tuple(stack.dims)))


def _cosine(seen: Moment, part: Part, asked: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
    """[asked, rows] cosine of one part."""
    columns = slice(part.start, part.stop)
    return seen.visitors[asked, columns] @ seen.fused[rows, columns].T / np.float32(part.weight)


def _taken(grouped: Histories, item_rows: int) -> sp.csr_matrix:
    return visitor_item_matrix(grouped, item_rows, int(grouped.at.max(initial=0)), FOREVER, ALL_KINDS)


def served_lists(stack: Stack, seen: Moment, settings: PipelineSettings) -> ServedLists:
    return ServedLists(
        seen.fused,
        seen.visitors,
        seen.parts,
        seen.popularity,
        seen.statistics,
        stack.links,
        seen.grouped,
        seen.now,
        settings.candidates,
    )


def learn_ranker(
    stack: Stack,
    parts: tuple[Part, ...],
    validation: Lesson,
    settings: PipelineSettings,
    *,
    without: Collection[str] = (),
) -> dict[str, Any]:
    """The ranker's weights from what visitors did next, among the candidates that they would have been shown.

    One moment only, the one up to which the encoders know everything: later ones, with encoders that lag behind, taught
    a ranker that was worse on Complete Journey (new items .054 against .062).

    Args:
        without: features that it must not use, to measure what they add.
    """
    seen = moment(stack, parts, validation.log, validation.first.start)
    asked, later = relevant_items(validation.later, seen.grouped, stack.items)
    of_first, first = relevant_items(validation.first, seen.grouped, stack.items)
    place = dict(zip(of_first.tolist(), range(len(of_first)), strict=True))
    chosen = np.random.default_rng(settings.stack.seed).permutation(len(asked))[:RANKER_EXAMPLES]
    found = served_lists(stack, seen, settings).features(asked[chosen])
    examples = []
    for number, (rows, features) in zip(chosen, found, strict=True):
        at = place.get(int(asked[number]))
        next_rows = first.indices[first.indptr[at] : first.indptr[at + 1]] if at is not None else []
        later_rows = later.indices[later.indptr[number] : later.indptr[number + 1]]
        examples.append(Example(features, np.isin(rows, next_rows), np.isin(rows, later_rows)))
    return fit_ranker(examples, seed=settings.stack.seed, without=without)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rankers on one holdout.

    Attributes:
        metrics: ranker name → metric → mean over visitors.
        errors: ranker name → standard error of its difference to ours in NDCG@10.
        visitors: how many were asked.
    """

    metrics: dict[str, dict[str, float]]
    errors: dict[str, float]
    visitors: int


def compare(
    learned: Learned,
    train: EventLog,
    holdout: Holdout,
    settings: PipelineSettings,
) -> Comparison:
    """Ours in the order of the ranker and the baselines, on the holdout."""
    stack = learned.stack
    seen = moment(stack, learned.parts, train, holdout.start)
    rows = len(stack.items)
    asked, relevant = relevant_items(holdout, seen.grouped, stack.items)
    asked, relevant = asked[:JUDGE_VISITORS], relevant[:JUDGE_VISITORS]
    scorers: dict[str, Scorer] = {
        "popularity": popular(seen.grouped, rows, seen.now),
        "item_knn": item_knn(seen.grouped, rows, seen.now),
        "own_decayed": own_decayed(seen.grouped, rows, seen.now, PURCHASES),
        "ours": served_lists(stack, seen, settings).scorer(learned.ranker),
    }
    found = evaluate(scorers, asked, relevant, _taken(seen.grouped, rows))
    metrics = {name: {metric: mean(values) for metric, values in columns.items()} for name, columns in found.items()}
    errors = {name: standard_error(found["ours"]["ndcg@10"], columns["ndcg@10"]) for name, columns in found.items()}
    return Comparison(metrics, errors, len(asked))


def embed(
    learned: Learned,
    log: EventLog,
    settings: PipelineSettings,
    losses: list[dict[str, object]],
    now: int | None,
) -> EmbeddingTable:
    """What goes to Postgres: vectors and popularity as of now, pairs, the visitor encoder."""
    stack, parts = learned.stack, learned.parts
    seen = moment(stack, parts, log, int(log.at[-1]) if now is None else now)
    pairs: ItemPairs = item_pairs(seen.grouped, len(stack.items), settings.min_buyers)
    keys = stack.items.keys
    trained = np.zeros(len(stack.items), dtype=bool)
    trained[seen.grouped.item] = True
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
        artifacts={NAME: export_visitor_encoder(stack.visitor_encoder(parts), seen.fused.shape[1])},
        ranker=learned.ranker,
        losses=losses,
    )
