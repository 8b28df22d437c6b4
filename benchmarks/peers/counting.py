"""What the counting peers share: a grid tuned on the validation part, lists from scores, popularity behind them."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import validation_ndcg
from benchmarks.peers.histories import Floats, popularity, taken
from benchmarks.task import Ints, Log, Question, Task

Settings = dict[str, Any]
Score = Callable[[Ints], Floats]  # [n] visitors → [n, items] float32, higher is better; nothing known is 0 or less
CELLS: Final = 10_000_000  # scores held at once
TUNING_SHARE: Final = 0.5  # of the budget; the rest is for learning from all of train


class CountingModel:
    """Fits every setting of `slow` × `quick` on the task's fit part; each question keeps what ranked best for it.

    Attributes:
        name: as in benchmarks/models.py.
        slow: setting → values that change what is learned. quick: setting → values that change the scores only.
        settings: question → what was chosen, with its validation NDCG@10.
    """

    name: ClassVar[str]
    slow: ClassVar[Mapping[str, Sequence[Any]]] = {}
    quick: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def learn(self, task: Task, log: Log, **slow: Any) -> Any:
        """What does not depend on the quick settings."""
        return None

    def scorer(self, learned: Any, log: Log, **quick: Any) -> Score:
        """Scores for visitors with the histories of `log`."""
        raise NotImplementedError

    def fits(self, task: Task, setting: Settings) -> bool:
        """Whether a setting makes sense for this task."""
        return True

    def fit(self, task: Task, budget_seconds: float) -> None:
        """Tune within half of the budget (at least one setting), then learn from all of train."""
        self._chosen = self._tune(task, budget_seconds * TUNING_SHARE)
        self.settings = {
            name: {**slow, **quick, "ndcg@10": round(value, 5)} for name, (value, slow, quick) in self._chosen.items()
        }
        self._popularity, self._taken = _small(popularity(task.train)), taken(task.train)
        self._scores: dict[bool, Score] = {}
        learned: dict[str, Any] = {}
        for question in task.questions:
            _, slow, quick = self._chosen[question.name]
            if repr(slow) not in learned:
                learned[repr(slow)] = self.learn(task, task.train, **slow)
            self._scores[question.exclude_taken] = self.scorer(learned[repr(slow)], task.train, **quick)

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        """[n, k] items, best first; -1 where neither the model nor popularity knows more."""
        before = self._taken if exclude_taken else None
        return top_lists(self._scores[exclude_taken], self._popularity, visitors, k, before)

    def _tune(self, task: Task, seconds: float) -> dict[str, tuple[float, Settings, Settings]]:
        ends = time.monotonic() + seconds
        best: dict[str, tuple[float, Settings, Settings]] = {}
        popular, before = _small(popularity(task.fit)), taken(task.fit)
        for slow in _products(self.slow):
            quicks = [quick for quick in _products(self.quick) if self.fits(task, slow | quick)]
            began = time.monotonic()
            learned = self.learn(task, task.fit, **slow) if quicks else None
            for quick, question in itertools.product(quicks, task.questions):
                if best.keys() >= {q.name for q in task.questions} and time.monotonic() > ends:
                    break
                score = self.scorer(learned, task.fit, **quick)
                value = _validated(task, question, score, popular, before if question.exclude_taken else None)
                if question.name not in best or value > best[question.name][0]:
                    best[question.name] = (value, slow, quick)
            if time.monotonic() + (time.monotonic() - began) > ends:  # another one would take as long
                break
        return best


def top_lists(score: Score, popular: Floats, visitors: Ints, k: int, before: Any) -> NDArray[np.int32]:
    """[n, k] items by score; behind the positive scores by `popular` ([items], below any score); -1 where both are 0.

    Args:
        before: [visitors, items] CSR of what must not be listed, or None.
    """
    chunk = max(1, CELLS // len(popular))
    lists = np.full((len(visitors), k), -1, dtype=np.int32)
    for start in range(0, len(visitors), chunk):
        numbers = visitors[start : start + chunk]
        scores = score(numbers)  # [chunk, items]
        scores = np.where(scores > 0, scores, popular)
        if before is not None:
            rows, columns = before[numbers].nonzero()
            scores[rows, columns] = 0.0
        most = min(k, scores.shape[1])
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        found = np.take_along_axis(scores, best, axis=1)
        order = np.lexsort((best, -found), axis=1)
        best, found = np.take_along_axis(best, order, axis=1), np.take_along_axis(found, order, axis=1)
        lists[start : start + chunk, :most] = np.where(found > 0, best, -1)
    return lists


def _small(popular: Floats) -> Floats:
    """Popularity scaled to lie below every score, so that it orders only what the model knows nothing about."""
    return np.asarray(popular * (1e-20 / max(float(popular.max(initial=0.0)), 1.0)), dtype=np.float32)


def _validated(task: Task, question: Question, score: Score, popular: Floats, before: Any) -> float:
    right = task.validation[question.name]
    asked = np.unique(right.visitor)
    return validation_ndcg(top_lists(score, popular, asked, 10, before), asked, right, task.items)


def _products(grid: Mapping[str, Sequence[Any]]) -> Iterator[Settings]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))
