import numpy as np
import pytest
import scipy.sparse as sp

from recommender.evaluation.judge import mean, measure, rank, split_by_taken, standard_error

RELEVANT = sp.csr_matrix(np.array([[0, 1, 0, 1], [0, 0, 0, 0]], dtype=np.float32))
TAKEN = sp.csr_matrix(np.array([[0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32))


def scores(visitors: np.ndarray) -> np.ndarray:
    return np.tile(np.array([9.0, 3.0, 2.0, 1.0], dtype=np.float32), (len(visitors), 1))


def test_padding_is_never_ranked_and_new_leaves_out_what_was_taken() -> None:
    _, new = split_by_taken(RELEVANT, TAKEN)
    found = measure(rank(scores, np.array([0, 1]), TAKEN), RELEVANT, new)
    ideal = 1 + 1 / np.log2(3)
    assert found["ndcg@10"][0] == pytest.approx((1 + 1 / np.log2(4)) / ideal)
    assert found["new_ndcg@10"][0] == pytest.approx(1 / np.log2(3))  # row 3 comes second behind row 2
    assert np.isnan(found["ndcg@10"][1])


def test_chances_are_shares_of_all_that_was_scored() -> None:
    def two_candidates(visitors: np.ndarray) -> np.ndarray:
        return np.tile(np.array([5.0, 0.0, -np.inf, np.log(3.0)], dtype=np.float32), (len(visitors), 1))

    ranked = rank(two_candidates, np.array([0]), TAKEN[:1])
    assert ranked.every[0, :2].tolist() == [3, 1]
    assert ranked.chance[0].tolist() == pytest.approx([0.75, 0.25, 0.0, 0.0])


def test_nobody_to_ask_is_no_error() -> None:
    ranked = rank(scores, np.zeros(0, np.int64), TAKEN[:0])
    assert measure(ranked, RELEVANT[:0], RELEVANT[:0])["ndcg@10"].shape == (0,)


def test_what_was_taken_is_parted_into_repeats_and_new() -> None:
    repeat, new = split_by_taken(RELEVANT, TAKEN)
    assert (repeat.indices.tolist(), new.indices.tolist()) == ([1], [3])


def test_the_mean_is_over_visitors_with_something_to_find() -> None:
    assert mean(np.array([0.5, np.nan, 0.1], dtype=np.float32)) == pytest.approx(0.3)
    assert mean(np.array([np.nan], dtype=np.float32)) == 0.0


def test_the_error_is_that_of_the_paired_difference() -> None:
    ours, other = np.array([0.1, 0.9, np.nan], dtype=np.float32), np.array([0.2, 1.0, 0.5], dtype=np.float32)
    assert standard_error(ours - other) == pytest.approx(0.0, abs=1e-6)
    assert standard_error(ours - ours[::-1].copy()) == 0.0
