"""Time to quality compares like with like: other visitors teach than judge, the first run that is as good counts."""

import numpy as np

from benchmarks.splits import split
from benchmarks.time_to_quality import compared, halves
from tests.benchmarks.worlds import dataset


def test_whoever_judges_teaches_nothing() -> None:
    events = [(visitor, (visitor + step) % 6, 100 * step) for visitor in range(21) for step in range(4)]
    task, _is_fit, _truth = split(dataset(events, 6), "leave-one-out")
    name = task.questions[0].name
    teaching, judging = (half.validation[name] for half in halves(task))
    assert not np.isin(teaching.visitor, judging.visitor).any()
    assert len(teaching) + len(judging) == len(task.validation[name])
    assert abs(len(np.unique(teaching.visitor)) - len(np.unique(judging.visitor))) <= 1


def test_the_shortest_run_that_is_as_good_as_the_best_look_counts() -> None:
    looks = [{"seconds": 10.0, "ndcg": 0.1}, {"seconds": 50.0, "ndcg": 0.2}, {"seconds": 60.0, "ndcg": 0.19}]
    runs = [{"seconds": 4.0, "ndcg": 0.15}, {"seconds": 9.0, "ndcg": 0.21}, {"seconds": 5.0, "ndcg": 0.2}]
    assert compared(looks, runs) == {"best": looks[1], "reached": runs[2], "share": 0.1}
    assert compared(looks, runs[:1]) == {"best": looks[1], "reached": None, "share": None}
