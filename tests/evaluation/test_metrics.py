import numpy as np
import pytest
import scipy.sparse as sp

from recommender.evaluation.metrics import hits, ndcg, recall, top


def test_top_is_best_first_and_ties_go_to_the_lower_row() -> None:
    scores = np.array([[0.0, 3.0, 5.0, 3.0, 1.0]], dtype=np.float32)
    assert top(scores, 3).tolist() == [[2, 1, 3]]


def test_ndcg_by_hand() -> None:
    hit = np.array([[True, False, True]])
    value = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    assert ndcg(hit, np.array([2]))[0] == pytest.approx(value)


def test_a_perfect_list_scores_one_however_many_are_right() -> None:
    hit = np.ones((1, 10), dtype=bool)
    assert ndcg(hit, np.array([25]))[0] == pytest.approx(1)
    assert recall(hit, np.array([25]))[0] == pytest.approx(1)


def test_a_visitor_with_nothing_to_find_does_not_count() -> None:
    assert np.isnan(ndcg(np.zeros((1, 3), dtype=bool), np.array([0]))).all()


def test_hits_look_up_the_ranking() -> None:
    relevant = sp.csr_matrix(np.array([[0, 1, 0, 1]], dtype=np.float32))
    assert hits(np.array([[3, 2, 1]]), relevant).tolist() == [[True, False, True]]
