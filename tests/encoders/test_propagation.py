import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recommender.encoders import propagation
from recommender.encoders.graph import Edges
from recommender.encoders.propagation import csr, near_each_other, unit_rows

VISITORS, ITEMS = 23, 9


@pytest.fixture(params=[4, 100], ids=["many blocks", "one block"])
def edges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Edges:
    monkeypatch.setattr(propagation, "BLOCK_VISITORS", request.param)
    matrix = sp.random(VISITORS, ITEMS, density=0.3, format="csr", dtype=np.float32, random_state=0)
    return Edges.of(matrix, "cpu")


def dense(edges: Edges, keep: torch.Tensor) -> torch.Tensor:
    """S = Aᵀ A, as one writes it down."""
    kept = torch.zeros(VISITORS, ITEMS)
    kept[edges.visitor[keep], edges.item[keep]] = 1.0
    degrees = kept.sum(1, keepdim=True) * kept.sum(0, keepdim=True)
    normed = torch.where(kept > 0, degrees.clamp(min=1).rsqrt(), 0.0)
    return normed.T @ normed


@pytest.mark.parametrize("dropped", [0.0, 0.5, 1.0])
def test_smoothing_equals_the_normalised_matrix(edges: Edges, dropped: float) -> None:
    keep = torch.rand(len(edges.item), generator=torch.Generator().manual_seed(0)) >= dropped
    x = torch.randn(ITEMS, 5)
    assert torch.allclose(edges.smoothing(keep)(x), dense(edges, keep) @ x, atol=1e-5)


def test_its_gradient_is_that_of_the_matrix(edges: Edges) -> None:
    keep = torch.arange(len(edges.item)) % 4 > 0
    x, other = (torch.randn(ITEMS, 5).requires_grad_() for _ in range(2))
    other.data.copy_(x.data)
    aim = torch.randn(ITEMS, 5)
    (edges.smoothing(keep)(x) * aim).sum().backward()
    (dense(edges, keep) @ other * aim).sum().backward()
    assert x.grad is not None and other.grad is not None
    assert torch.allclose(x.grad, other.grad, atol=1e-5)


def test_unit_rows_and_their_gradient_are_those_of_torch() -> None:
    x, other = (torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    aim = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    (unit_rows(x) * aim).sum().backward()
    (torch.nn.functional.normalize(other, dim=-1) * aim).sum().backward()
    assert x.grad is not None and other.grad is not None
    assert torch.allclose(unit_rows(x), torch.nn.functional.normalize(other, dim=-1))
    assert torch.allclose(x.grad, other.grad, atol=1e-6)


def test_rows_without_an_edge_are_zero() -> None:
    matrix = csr(torch.tensor([0, 2, 2]), torch.tensor([1, 0, 1]), torch.tensor([1.0, 2.0, 3.0]), (4, 2))
    assert matrix.to_dense().tolist() == [[0, 1], [0, 0], [2, 3], [0, 0]]


def test_visitors_of_the_same_items_stand_together() -> None:
    group = np.arange(60) % 3
    rng = np.random.default_rng(0)
    items = rng.integers(10, size=(60, 4)) * 3 + group[:, None]  # items of the visitor's group only
    matrix = sp.csr_matrix((np.ones(240, np.float32), (np.repeat(np.arange(60), 4), items.ravel())), shape=(60, 30))
    matrix.sum_duplicates()
    place = near_each_other(matrix)
    assert sorted(place) == list(range(60))
    in_places = group[np.argsort(place)]
    assert (in_places[1:] != in_places[:-1]).sum() == 2
