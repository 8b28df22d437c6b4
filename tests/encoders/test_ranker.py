import numpy as np
import torch

from recommender.dataset.ranking_features import FEATURES, rank_candidates
from recommender.encoders.ranker import Ranker, fit_ranker

RNG = np.random.default_rng(0)


def world(column: str, visitors: int = 40) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Each visitor takes the candidate with the largest value in `column`."""
    features = [RNG.random((30, len(FEATURES))).astype(np.float32) for _ in range(visitors)]
    place = FEATURES.index(column)
    return features, [np.arange(30) == x[:, place].argmax() for x in features]


def test_it_finds_the_feature_that_decides() -> None:
    features, relevant = world("log_popularity", visitors=150)
    ranker = fit_ranker(features, relevant)
    found = [relevant[i][rank_candidates(x, ranker).argmax()] for i, x in enumerate(features)]
    assert np.mean(found) > 0.8  # chance is .03, and the start knows nothing of popularity


def test_numpy_and_torch_score_alike() -> None:
    torch.manual_seed(0)
    model = Ranker(torch.randn(len(FEATURES)), torch.rand(len(FEATURES)) + 0.5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x = RNG.random((20, len(FEATURES))).astype(np.float32)
    assert np.allclose(rank_candidates(x, model.as_json()), model(torch.from_numpy(x)).detach().numpy(), atol=1e-4)


def test_too_few_visitors_leave_the_order_to_similarity() -> None:
    features, relevant = world("own_long", visitors=9)
    assert fit_ranker(features, relevant) == {}
