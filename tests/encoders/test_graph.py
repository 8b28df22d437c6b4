import numpy as np
import torch

from recommender.dataset.graph import visitor_item_matrix
from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.graph import Edges, GraphSettings, train_graph
from tests.event_logs import camps, shuffled

ITEMS = Vocabulary(np.arange(1, 43))  # 41 and 42 never occur
KINDS = np.array([0, 0.3, 0.4, 0.7, 1.0], dtype=np.float32)
SETTINGS = GraphSettings(dim=16, steps=60, batch=512, negatives=32)
CONTENT = np.random.default_rng(0).standard_normal((len(ITEMS), 8)).astype(np.float32)


def matrix_of(log):  # type: ignore[no-untyped-def]
    grouped = histories(log, ITEMS)
    return visitor_item_matrix(grouped, len(ITEMS), int(grouped.at.max()), 1e9, KINDS)


def camp_gap(vectors: np.ndarray) -> float:
    """Mean cosine within a camp minus between camps, over the 40 items that occur."""
    cosine = vectors[1:41] @ vectors[1:41].T
    camp = np.arange(40) % 2
    same = camp[:, None] == camp[None, :]
    np.fill_diagonal(same, False)
    return float(cosine[same].mean() - cosine[camp[:, None] != camp[None, :]].mean())


def test_items_of_one_camp_come_together() -> None:
    assert camp_gap(train_graph(matrix_of(camps()), CONTENT, SETTINGS)[0]) > 0.5


def test_in_the_shuffled_twin_there_are_no_camps() -> None:
    assert abs(camp_gap(train_graph(matrix_of(shuffled(camps())), CONTENT, SETTINGS)[0])) < 0.05


def test_an_item_without_an_edge_gets_what_its_content_predicts() -> None:
    content = CONTENT.copy()
    content[41], content[42] = content[1], content[2]
    vectors, _ = train_graph(matrix_of(camps()), content, SETTINGS)
    assert np.allclose(np.linalg.norm(vectors[41:], axis=1), 1, atol=1e-5)
    assert not np.allclose(vectors[41], vectors[42])


def test_a_visitors_vector_is_the_mean_of_its_kept_items_by_weight() -> None:
    matrix = matrix_of(camps(visitors=6, items=8, events=4))
    edges = Edges.of(matrix, "cpu")
    keep = torch.arange(len(edges.item)) % 3 > 0
    askers = torch.tensor([1, 4])
    kept = np.zeros(matrix.shape, dtype=np.float32)
    kept[edges.visitor[keep], edges.item[keep]] = edges.weight[keep]
    expected = kept[askers] / kept[askers].sum(axis=1, keepdims=True)
    assert np.allclose(edges.pooling(keep, askers).to_dense().numpy(), expected, atol=1e-6)
