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
    query, candidates, first = torch.zeros(1, 2), torch.eye(2), torch.tensor([0])
    loss = sampled_softmax(query, candidates, first, first, scale=1.0, bias=-torch.log(torch.tensor([1.0, 0.25])))
    assert loss.item() == pytest.approx(math.log(1 + 4))


def test_an_example_without_weight_does_not_count() -> None:
    eye, of, weight = torch.eye(2), torch.tensor([0, 1]), torch.tensor([1.0, 0.0])
    right, wrong = (
        sampled_softmax(eye, eye, of, torch.tensor(target), scale=5.0, weight=weight) for target in ([0, 1], [0, 0])
    )
    assert right == wrong


def test_two_targets_of_one_query_cost_as_much_as_two_queries() -> None:
    candidates, target = torch.randn(6, 4), torch.tensor([2, 5])
    query = torch.randn(1, 4)
    shared = sampled_softmax(query, candidates, torch.tensor([0, 0]), target, scale=3.0)
    apart = sampled_softmax(query.repeat(2, 1), candidates, torch.tensor([0, 1]), target, scale=3.0)
    assert shared.item() == pytest.approx(apart.item())


def test_queries_at_once_change_neither_loss_nor_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, candidates = torch.randn(7, 4, generator=generator), torch.randn(5, 4, generator=generator)
    of, target = torch.tensor([0, 3, 6, 6]), torch.tensor([1, 2, 0, 4])
    gradients = []
    for at_once in (None, 2):
        query = rows.clone().requires_grad_()
        loss = sampled_softmax(query, candidates, of, target, scale=3.0, at_once=at_once)
        loss.backward()
        assert query.grad is not None
        gradients.append((loss.detach(), query.grad))
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(*gradients, strict=True))
