import math

import pytest
import torch

from recommender.encoders.losses import info_nce, sampled_softmax


def test_info_nce_of_equal_rows_is_log_batch() -> None:
    same = torch.ones(8, 4)
    assert info_nce(same, same).item() == pytest.approx(math.log(8))


def test_info_nce_of_distinct_matching_rows_is_near_zero() -> None:
    assert info_nce(torch.eye(8), torch.eye(8), temperature=0.05).item() < 1e-6


def test_info_nce_refuses_a_batch_without_negatives() -> None:
    with pytest.raises(ValueError, match="two rows"):
        info_nce(torch.ones(1, 4), torch.ones(1, 4))


def test_log_q_takes_back_what_frequent_drawing_added() -> None:
    query, candidates = torch.zeros(1, 2), torch.eye(2)
    target = torch.tensor([0])
    loss = sampled_softmax(query, candidates, target, torch.log(torch.tensor([1.0, 0.25])), 1.0)
    assert loss.item() == pytest.approx(math.log(1 + 4))


def test_an_example_without_weight_does_not_count() -> None:
    query, candidates, log_q = torch.eye(2), torch.eye(2), torch.zeros(2)
    right, wrong = torch.tensor([0, 1]), torch.tensor([0, 0])
    weight = torch.tensor([1.0, 0.0])
    assert sampled_softmax(query, candidates, right, log_q, 5.0, weight) == sampled_softmax(
        query, candidates, wrong, log_q, 5.0, weight
    )
