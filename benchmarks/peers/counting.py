"""What the counting peers share: a grid tuned on the validation part, lists from scores, popularity behind them."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.metrics import CUT_OFF, validation_ndcg
from benchmarks.peers.histories import Floats, popularity, taken
from benchmarks.peers.lists import Score, top_lists
from benchmarks.peers.tuning import TUNING_SHARE
from benchmarks.task import Ints, Log, Question, Task

Settings = dict[str, Any]


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
        """Scores for visitors with the histories of `log`; nothing known is 0 or less."""
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
        score = _over(self._popularity, self._scores[exclude_taken])
        return top_lists(score, self._taken, visitors, k, exclude_taken)

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
                score = _over(popular, self.scorer(learned, task.fit, **quick))
                value = _validated(task, question, score, before)
                if question.name not in best or value > best[question.name][0]:
                    best[question.name] = (value, slow, quick)
            if time.monotonic() + (time.monotonic() - began) > ends:  # another one would take as long
                break
        return best


def _over(popular: Floats, score: Score) -> Score:
    """Positive scores as they are; behind them `popular` ([items], below any score), -inf where both are 0."""
    behind = np.where(popular > 0, popular, -np.inf).astype(np.float32)

    def scores(visitors: Ints) -> Floats:
        known = score(visitors)
        return np.where(known > 0, known, behind)

    return scores


def _small(popular: Floats) -> Floats:
    """Popularity scaled to lie below every score, so that it orders only what the model knows nothing about."""
    return np.asarray(popular * (1e-20 / max(float(popular.max(initial=0.0)), 1.0)), dtype=np.float32)


def _validated(task: Task, question: Question, score: Score, before: sp.csr_matrix) -> float:
    right = task.validation[question.name]
    asked = np.unique(right.visitor)
    lists = top_lists(score, before, asked, CUT_OFF, question.exclude_taken)
    return validation_ndcg(lists, asked, right, task.items)


def _products(grid: Mapping[str, Sequence[Any]]) -> Iterator[Settings]:
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))
