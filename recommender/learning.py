"""A log and what came after it → all that makes a list: encoders, the parts' weights, the ranker. Without Django."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import EventLog, ItemTable
from recommender.dataset.graph import visitor_item_matrix
from recommender.dataset.habits import habit_examples
from recommender.dataset.item_statistics import item_statistics
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.split import Lesson
from recommender.encoders.fusion import fit_weights, fuse, lay_out, popularity_part
from recommender.encoders.habits import fit_habits
from recommender.encoders.listwise import Example
from recommender.encoders.ranker import fit_ranker
from recommender.encoders.stack import Stack, StackSettings, Start, train_stack
from recommender.encoders.tables import Part, Vectors
from recommender.encoders.training import EpochReport, State, read_written, silent, written
from recommender.encoders.visitor_vectors import VisitorVectors
from recommender.evaluation.baselines import ALL_KINDS, FOREVER, popularity
from recommender.evaluation.judge import drawn, relevant_items
from recommender.evaluation.served import ServedLists
from recommender.stages import Stages

Floats = NDArray[np.float32]
WEIGHT_VISITORS = 600  # asked when the fusion weights are chosen
MIN_WEIGHT_VISITORS = 20  # fewer tell nothing
WEIGHT_ITEMS = 8_000  # drawn for the softmax that chooses them
RANKER_EXAMPLES = 4_000  # visitors


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    stack: StackSettings = StackSettings()
    validation_share: float = 0.1  # newest of the visitors' days before the holdout, for the weights and the ranker
    holdout_days: float = 14.0
    full_training_days: float = 7.0  # of events, between two trainings from scratch
    min_buyers: int = 5
    candidates: int = 150
    cold_item_cost: float = 0.05  # see `fit_ranker`


@dataclass(frozen=True, slots=True)
class Learned:
    """All that makes a list: the encoders, the parts of the fused vector with their weights, the ranker."""

    stack: Stack
    parts: tuple[Part, ...]
    ranker: dict[str, Any]


def learn(validation: Lesson, train: EventLog, items: ItemTable, settings: PipelineSettings, stage: Stages) -> Learned:
    """Encoders from the log before the validation, what to make of them, and then encoders that know all of `train`."""
    before = train_stack(validation.log, items, settings.stack, stage)
    parts, ranker = teach(before, validation, settings, stage)
    stack = go_on(before.start(validation.since), train, items, settings, stage, "refit")
    return Learned(stack, parts, ranker)


def teach(
    stack: Stack, validation: Lesson, settings: PipelineSettings, stage: Stages
) -> tuple[tuple[Part, ...], dict[str, Any]]:
    """The parts with their weights and the ranker, from what came in the validation."""

    def compute() -> State:
        fusion_done = stage("fusion")
        parts = weigh(stack, validation)
        ranker = learn_ranker(stack, parts, validation, settings)
        fusion_done(1, 1, 0.0)
        return written({"parts": [asdict(part) for part in parts], "ranker": ranker})

    made = read_written(stage.keep("fusion", compute))
    return tuple(Part(**part) for part in made["parts"]), made["ranker"]


def go_on(start: Start, log: EventLog, items: ItemTable, settings: PipelineSettings, stage: Stages, name: str) -> Stack:
    """Encoders that know all events of `log`; `name` is the stage that this is.

    Without the stack that it starts from, which is gone by then in a training: two of a big shop's are half a gigabyte.

    What the ranker learned of a part's cosine holds while encoders know the histories that they are asked about: with
    stale encoders NDCG@10 on Amazon Beauty was .035, with these .053.
    """

    def reports(of: str) -> EpochReport:
        return stage(name) if of == "sequence" else silent

    return train_stack(log, items, settings.stack, reports, start, stage.within(name))


@dataclass(frozen=True, slots=True)
class Moment:
    """The stack looked at from one moment: histories up to it, popularity and fused vectors as of it."""

    grouped: Histories
    popularity: Floats
    parts: tuple[Part, ...]
    fused: Floats
    visitors: Vectors
    statistics: Floats
    now: int


def moment(stack: Stack, parts: tuple[Part, ...], log: EventLog, now: int) -> Moment:
    """Everything that a list needs at `now` from the events in `log`."""
    grouped = histories(log, stack.items)
    counts = popularity(grouped, len(stack.items), now)
    fused = fuse(stack.vectors | {"popularity": popularity_part(counts)}, parts)
    fused[0] = 0.0
    visitors = VisitorVectors(stack.visitor_encoder(parts), fused, grouped, now)
    statistics = item_statistics(grouped, len(stack.items), now, stack.price_cents)
    return Moment(grouped, counts, parts, fused, visitors, statistics, now)


def weigh(stack: Stack, validation: Lesson) -> tuple[Part, ...]:
    """Choose the parts' weights on what visitors did next: on items new to them where there are any.

    A sample of visitors and items is enough for four numbers.
    """
    even = lay_out(stack.dims, dict.fromkeys(stack.dims, 1.0))
    seen = moment(stack, even, validation.log, validation.first.start)
    asked, relevant = relevant_items(validation.first, seen.grouped, stack.items)
    asked, relevant = drawn(asked, relevant, WEIGHT_VISITORS, stack.settings.seed)
    if len(asked) < MIN_WEIGHT_VISITORS:
        return even
    sample = np.random.default_rng(stack.settings.seed).permutation(np.arange(1, len(stack.items)))[:WEIGHT_ITEMS]
    rows = np.union1d(sample, relevant.indices)
    right = relevant[:, rows].toarray() > 0
    before = taken(seen.grouped.of(asked), len(stack.items))[:, rows].toarray() > 0
    if (right & ~before).any():
        right &= ~before
    visitors = seen.visitors[asked]
    cosines = np.stack([_cosine(visitors, seen.fused[rows], part) for part in even], axis=-1)
    return lay_out(stack.dims, fit_weights(cosines, right, tuple(stack.dims)))


def _cosine(visitors: Floats, items: Floats, part: Part) -> Floats:
    """[visitors, items] cosine of one part."""
    columns = slice(part.start, part.stop)
    return visitors[:, columns] @ items[:, columns].T / np.float32(part.weight)


def taken(grouped: Histories, item_rows: int) -> sp.csr_matrix:
    return visitor_item_matrix(grouped, item_rows, int(grouped.at.max(initial=0)), FOREVER, ALL_KINDS)


def served_lists(stack: Stack, seen: Moment, settings: PipelineSettings, ranker: Mapping[str, Any]) -> ServedLists:
    """Lists as a request makes them; `ranker` may be no more than its "habits"."""
    return ServedLists(
        seen.fused,
        seen.visitors,
        seen.parts,
        seen.popularity,
        seen.statistics,
        stack.links,
        seen.grouped,
        seen.now,
        ranker,
        settings.candidates,
        stack.added_at,
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

    Args:
        without: features that it must not use, to measure what they add.
    """
    examples, habits = _lists_of_the_past(stack, parts, validation, settings)
    ranker = fit_ranker(examples, seed=stack.settings.seed, without=without, cold_item_cost=settings.cold_item_cost)
    return ranker and ranker | {"habits": habits}


def _lists_of_the_past(
    stack: Stack, parts: tuple[Part, ...], validation: Lesson, settings: PipelineSettings
) -> tuple[list[Example], dict[str, Any]]:
    """(what the ranker learns from, the network of habits that is one of its features).

    One moment only, the one up to which the encoders know everything: later ones, with encoders that lag behind, taught
    a ranker that was worse on Complete Journey (new items .054 against .062).
    """
    seen = moment(stack, parts, validation.log, validation.first.start)
    asked, later = relevant_items(validation.later, seen.grouped, stack.items)
    of_first, first = relevant_items(validation.first, seen.grouped, stack.items)
    place = dict(zip(of_first.tolist(), range(len(of_first)), strict=True))
    seed = stack.settings.seed
    chosen = np.random.default_rng(seed).permutation(len(asked))[:RANKER_EXAMPLES]
    habits = fit_habits(habit_examples(seen.grouped, len(stack.items), stack.price_cents, seed), seed)
    found = served_lists(stack, seen, settings, {"habits": habits}).features(asked[chosen])
    examples = []
    for number, (rows, features) in zip(chosen, found, strict=True):
        at = place.get(int(asked[number]))
        next_rows = first.indices[first.indptr[at] : first.indptr[at + 1]] if at is not None else []
        later_rows = later.indices[later.indptr[number] : later.indptr[number + 1]]
        examples.append(Example(features, np.isin(rows, next_rows), np.isin(rows, later_rows)))
    return examples, habits
