"""The neural peers that need nothing but torch, on a world where a visitor's items are neighbours on a circle."""

from typing import Final

import numpy as np
import pytest
import torch

from benchmarks.peers.histories import taken
from benchmarks.peers.lightgcn import LightGCN, SymmetricProduct, normalised
from benchmarks.peers.mult_vae import MultVAE
from benchmarks.splits import split
from benchmarks.task import Task
from tests.benchmarks.worlds import dataset

ITEMS: Final = 40


@pytest.fixture(scope="module")
def circle() -> Task:
    """200 visitors each take ten neighbours out of forty items, in an order of their own."""
    rng = np.random.default_rng(0)
    events = [
        (visitor, (visitor + int(place)) % ITEMS, step)
        for visitor in range(200)
        for step, place in enumerate(rng.permutation(10))
    ]
    return split(dataset(events, ITEMS + 1), "leave-one-out")[0]  # the last item has no event


@pytest.mark.parametrize("model", [LightGCN, MultVAE])
def test_what_is_near_the_taken_items_comes_first(circle: Task, model: type[LightGCN] | type[MultVAE]) -> None:
    peer = model()
    peer.fit(circle, 10.0)

    lists = peer.top(circle.asked, ITEMS, True)

    place = (lists[:, :4] - circle.asked[:, None]) % ITEMS
    assert ((place <= 12) | (place >= ITEMS - 3)).mean() > 0.8
    assert not (lists == ITEMS).any()
    before = taken(circle.train)[circle.asked].toarray() > 0
    assert all(not before[row, shown[shown >= 0]].any() for row, shown in enumerate(lists))
    assert (peer.top(circle.asked[:1], ITEMS, False) >= 0).sum() == ITEMS


def test_the_symmetric_product_has_the_gradient_of_the_product(circle: Task) -> None:
    a = normalised(taken(circle.train))
    x = torch.randn(a.shape[0], 3, requires_grad=True)
    weight = torch.randn(a.shape[0], 3)

    (SymmetricProduct.apply(a, x) * weight).sum().backward()
    found, x.grad = x.grad, None
    (a.to_dense() @ x * weight).sum().backward()

    torch.testing.assert_close(found, x.grad)
