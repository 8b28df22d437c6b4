"""The plugin's own pipeline as a model: fused vectors, the candidates of a request, the ranker's order."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.peers.histories import DAY, taken
from benchmarks.task import Ints, Log, Task
from recommender.capture.tables import EventLog, ItemTable
from recommender.dataset.split import Holdout, Lesson, lesson
from recommender.encoders.progress import Progress
from recommender.encoders.stack import StackSettings
from recommender.evaluation.baselines import Scorer
from recommender.evaluation.metrics import top
from recommender.learning import Learned, PipelineSettings, learn, moment, served_lists
from recommender.stages import Stages

CHUNK: Final = 128  # visitors ranked at once


class Ours:
    """Encoders, weights and ranker as a training makes them from all of train."""

    name = "ours"

    def fit(self, task: Task, budget_seconds: float) -> None:
        """Train; the number of epochs follows from the amount of data, so the budget changes nothing."""
        settings = PipelineSettings(stack=StackSettings(seed=task.seed))
        train = event_log(task.train, task.has_time)
        learned = learn(validation(task, train), train, item_table(task), settings, Stages(say_progress))
        self._ranking = Ranking.of(learned, task, train, settings)
        self.settings: dict[str, Any] = {"weights": {part.name: round(part.weight, 4) for part in learned.parts}}

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        """[n, k] items in the ranker's order; -1 behind the candidates of a request."""
        return self._ranking.top(visitors, k, exclude_taken)


@dataclass(frozen=True)
class Ranking:
    """What was learned, looked at from the end of train. taken: [visitors, items]."""

    score: Scorer
    taken: sp.csr_matrix

    @classmethod
    def of(cls, learned: Learned, task: Task, train: EventLog, settings: PipelineSettings) -> "Ranking":
        seen = moment(learned.stack, learned.parts, train, _seconds(task.train.now, task.has_time))
        return cls(
            served_lists(learned.stack, seen, settings, learned.ranker).scorer(learned.ranker), taken(task.train)
        )

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        """[n, k] items, best first."""
        lists = np.full((len(visitors), k), -1, dtype=np.int32)
        for start in range(0, len(visitors), CHUNK):
            numbers = visitors[start : start + CHUNK]
            scores = self.score(numbers)[:, 1:]  # without padding, a column is an item
            if exclude_taken:
                scores[self.taken[numbers].nonzero()] = -np.inf
            best = top(scores, k)
            is_candidate = np.isfinite(np.take_along_axis(scores, best, axis=1))
            lists[start : start + CHUNK, : best.shape[1]] = np.where(is_candidate, best, -1)
        return lists


def validation(task: Task, train: EventLog) -> Lesson:
    """By time as a training takes it; else each visitor's last item but one is the answer."""
    now = _seconds(task.fit.now, task.has_time)
    if task.split == "time":
        return lesson(train, now)
    right = task.validation[task.questions[0].name]
    answers = Holdout(right.visitor, right.item, now)
    log = event_log(task.fit, task.has_time)
    return Lesson(log, answers, answers, since=int(log.at[0]))  # what is left out lies anywhere in time


def event_log(log: Log, has_time: bool) -> EventLog:
    """The plugin's columns, in time order; where the source knows only positions, a step is a day."""
    order = np.argsort(log.at, kind="stable")
    pieces = np.ones(len(log), dtype=np.float32)
    at = _seconds(log.at[order], has_time)
    return EventLog(log.visitor[order], log.item[order], log.kind[order], at, pieces)


def item_table(task: Task) -> ItemTable:
    """The catalogue; an item's key is its number."""
    attributes: dict[str, Sequence[str]] = {
        name: [", ".join(values) for values in cells] for name, cells in task.attributes.items()
    }
    return ItemTable(np.arange(task.items), task.title, task.text, attributes)


def _seconds(at: Any, has_time: bool) -> Any:
    return at if has_time else at * DAY


def say_progress(progress: Progress) -> None:
    print(f"{progress.stage} {progress.epoch}/{progress.epochs}", file=sys.stderr)
