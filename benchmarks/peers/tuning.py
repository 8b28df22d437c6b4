"""How a model spends its budget of CPU seconds: settings or epochs chosen on validation, then all of train.

CPU and not wall-clock seconds, so that a model is not judged by what else its machine was doing.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import CUT_OFF, validation_ndcg
from benchmarks.task import Ints, Log, Task

TUNING_SHARE: Final = 0.5  # of the budget; the rest is for learning from all of train
MAX_VISITORS: Final = 2_000  # whose validation answers are looked at, for each question
PATIENCE: Final = 5  # looks without a better one
LOOK_SHARE: Final = 0.25  # of the time that is spent on learning goes to looks at validation, at most


class Ranker(Protocol):
    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        """As `benchmarks.task.Model.top`."""


class Learner(Ranker, Protocol):
    def epoch(self) -> float:
        """Go once over the log that it was made from; the mean loss."""


R = TypeVar("R", bound=Ranker)
L = TypeVar("L", bound=Learner)


class Validation:
    """NDCG@10 of the validation answers of at most `MAX_VISITORS` visitors, averaged over the questions."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._asked: dict[str, Ints] = {}
        rng = np.random.default_rng(task.seed)
        for name, right in task.validation.items():
            asked = np.unique(right.visitor)
            drawn = rng.choice(asked, min(len(asked), MAX_VISITORS), replace=False)
            self._asked[name] = np.sort(drawn)

    def ndcg(self, ranker: Ranker) -> float:
        """0 where there is nothing to validate on."""
        values = []
        for question in self._task.questions:
            asked, right = self._asked[question.name], self._task.validation[question.name]
            if len(asked):
                lists = ranker.top(asked, CUT_OFF, question.exclude_taken)
                values.append(validation_ndcg(lists, asked, right, self._task.items))
        return float(np.mean(values)) if values else 0.0


@dataclass(frozen=True)
class Look:
    """One look at validation: CPU `seconds` of learning so far, looks not counted."""

    epoch: int
    seconds: float
    loss: float
    ndcg: float


def search(
    make: Callable[[Log, dict[str, Any]], R], grid: Sequence[dict[str, Any]], task: Task, budget_seconds: float
) -> tuple[R, dict[str, Any]]:
    """The best of `grid` on validation, made again from all of train.

    The grid is tried in its order until the budget would not hold one more try and the last making; its first entry
    is always tried.
    Returns:
        (the ranker, what was chosen with the NDCG of each try).
    """
    started, longest = time.process_time(), 0.0
    validation = Validation(task)
    tries: list[tuple[float, dict[str, Any]]] = []
    for settings in grid:
        begun = time.process_time()
        if tries and begun - started + 2.2 * longest > budget_seconds:
            break
        tries.append((validation.ndcg(make(task.fit, settings)), settings))
        longest = max(longest, time.process_time() - begun)
        say(f"{settings}: validation NDCG@10 {tries[-1][0]:.4f}")
    _, best = max(tries, key=lambda tried: tried[0])
    chosen = best | {"tries": [{**settings, "ndcg": round(ndcg, 5)} for ndcg, settings in tries]}
    return make(task.train, best), chosen


def learn(make: Callable[[Log], L], task: Task, budget_seconds: float) -> tuple[L, dict[str, Any]]:
    """The number of epochs by early stopping on validation in half the budget, then as many over all of train.

    Where half the budget ended before validation did not get better, the rest is used up: more epochs help there.
    Returns:
        (the learner, epochs and the curve of validation).
    """
    started = time.process_time()
    looks, ended_early = curve(make(task.fit), task, budget_seconds * TUNING_SHARE)
    best = max(looks, key=lambda look: look.ndcg)
    learner = make(task.train)
    epochs, slowest = 0, 0.0
    while epochs == 0 or (epochs < best.epoch or not ended_early):
        begun = time.process_time()
        if epochs and begun - started + slowest > budget_seconds:
            break
        loss = learner.epoch()
        epochs += 1
        slowest = max(slowest, time.process_time() - begun)
        say(f"all of train, epoch {epochs}: loss {loss:.4f}, {time.process_time() - started:.0f} s")
    chosen = {"epochs": epochs, "best_validation_epoch": best.epoch, "converged": ended_early}
    return learner, chosen | {"validation": [asdict(look) for look in looks]}


def curve(learner: Learner, task: Task, budget_seconds: float) -> tuple[list[Look], bool]:
    """(looks at validation while it learns, whether `PATIENCE` ended it and not the budget)."""
    validation, looks = Validation(task), list[Look]()
    started = time.process_time()
    learning = looking = slowest = 0.0
    epoch = best = 0
    while True:
        begun = time.process_time()
        loss = learner.epoch()
        epoch += 1
        slowest = max(slowest, time.process_time() - begun)
        learning += time.process_time() - begun
        is_last = time.process_time() - started + slowest > budget_seconds
        if looks and looking > LOOK_SHARE * learning and not is_last:
            continue
        begun = time.process_time()
        looks.append(Look(epoch, round(learning, 2), round(loss, 5), round(validation.ndcg(learner), 5)))
        looking += time.process_time() - begun
        say(f"epoch {epoch}: loss {loss:.4f}, validation NDCG@10 {looks[-1].ndcg:.4f}, {learning:.0f} s of learning")
        best = len(looks) - 1 if looks[-1].ndcg > looks[best].ndcg else best
        if is_last or len(looks) - 1 - best >= PATIENCE:
            return looks, not is_last


def say(line: str) -> None:
    """A line of progress on stderr."""
    print(line, file=sys.stderr, flush=True)
