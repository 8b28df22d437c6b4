import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from benchmarks.judging import bootstrap_ratio
from benchmarks.metrics import counts, hit_rate, hits, ndcg, recall, reciprocal_rank, validation_ndcg
from benchmarks.task import Pairs

VISITORS = np.array([0, 2, 5])
RIGHT = Pairs(np.array([0, 0, 2]), np.array([1, 4, 3]))
LISTS = np.array([[1, 2, 4], [0, 3, -1], [1, 2, 3]], dtype=np.int32)


def test_hits_are_the_right_items_of_each_visitor() -> None:
    hit = hits(LISTS, VISITORS, RIGHT, 6)

    assert hit.tolist() == [[True, False, True], [False, True, False], [False, False, False]]
    assert counts(VISITORS, RIGHT).tolist() == [2, 1, 0]


def test_metrics_of_a_known_list() -> None:
    hit, count = hits(LISTS, VISITORS, RIGHT, 6), counts(VISITORS, RIGHT)

    assert ndcg(hit, count)[:2] == pytest.approx([1.5 / (1 + 1 / np.log2(3)), 1 / np.log2(3)])
    assert recall(hit, count, 2)[:2].tolist() == [0.5, 1.0]
    assert reciprocal_rank(hit, count)[:2].tolist() == [1.0, 0.5]
    assert hit_rate(hit, count, 1)[:2].tolist() == [1.0, 0.0]
    assert np.isnan([ndcg(hit, count)[2], recall(hit, count, 2)[2], reciprocal_rank(hit, count)[2]]).all()


def test_ndcg_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((50, 200))
    truth = rng.random((50, 200)) < 0.05
    truth[:, 0] = True
    lists = np.argsort(-scores, axis=1)[:, :10].astype(np.int32)
    right = Pairs(*(column.astype(np.int64) for column in np.nonzero(truth)))

    ours = validation_ndcg(lists, np.arange(50), right, 200)

    assert ours == pytest.approx(ndcg_score(truth.astype(float), scores, k=10))


@pytest.mark.parametrize("lists", [[[1, 1]], [[0, 6]], [[-2, 0]]])
def test_impossible_lists_are_refused(lists) -> None:
    with pytest.raises(ValueError, match="names an item"):
        hits(np.array(lists, dtype=np.int32), VISITORS[:1], RIGHT, 6)


def test_the_ratio_is_to_the_best_peer_with_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    peer = rng.random(500)
    found = bootstrap_ratio(1.2 * peer, {"good": peer, "bad": 0.1 * peer})

    assert found is not None
    assert (found.peer, found.ratio) == ("good", 1.2)
    assert found.low == pytest.approx(1.2) == found.high  # paired: the same visitors in every sample


def test_the_interval_of_noise_holds_one() -> None:
    rng = np.random.default_rng(0)
    found = bootstrap_ratio(rng.random(300), {"other": rng.random(300)})

    assert found is not None
    assert found.low < 1 < found.high


def test_nothing_to_find_gives_no_ratio() -> None:
    assert bootstrap_ratio(np.full(3, np.nan), {"other": np.full(3, np.nan)}) is None
