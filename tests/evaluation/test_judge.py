import numpy as np
import pytest
import scipy.sparse as sp

from recommender.evaluation.judge import evaluate, mean, standard_error

RELEVANT = sp.csr_matrix(np.array([[0, 1, 0, 1], [0, 0, 0, 0]], dtype=np.float32))
TAKEN = sp.csr_matrix(np.array([[0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32))


def scores(visitors: np.ndarray) -> np.ndarray:
    return np.tile(np.array([9.0, 3.0, 2.0, 1.0], dtype=np.float32), (len(visitors), 1))


def test_padding_is_never_ranked_and_new_leaves_out_what_was_taken() -> None:
    found = evaluate({"fixed": scores}, np.array([0, 1]), RELEVANT, TAKEN)["fixed"]
    ideal = 1 + 1 / np.log2(3)
    assert found["ndcg@10"][0] == pytest.approx((1 + 1 / np.log2(4)) / ideal)
    assert found["new_ndcg@10"][0] == pytest.approx(1 / np.log2(3))  # row 3 comes second behind row 2
    assert np.isnan(found["ndcg@10"][1])


def test_the_mean_is_over_visitors_with_something_to_find() -> None:
    assert mean(np.array([0.5, np.nan, 0.1], dtype=np.float32)) == pytest.approx(0.3)
    assert mean(np.array([np.nan], dtype=np.float32)) == 0.0


def test_the_error_is_that_of_the_paired_difference() -> None:
    ours, other = np.array([0.1, 0.9, np.nan], dtype=np.float32), np.array([0.2, 1.0, 0.5], dtype=np.float32)
    assert standard_error(ours, other) == pytest.approx(0.0, abs=1e-6)
    assert standard_error(ours, ours[::-1].copy()) == 0.0
