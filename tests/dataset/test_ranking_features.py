import numpy as np
import pytest

from recommender.dataset.ranking_features import (
    FEATURES,
    decayed_purchases,
    rank_candidates,
    ranking_features,
)


def test_only_purchases_count_and_lose_weight_with_age() -> None:
    counts = decayed_purchases(
        np.array([7, 7, 8]), np.array([4, 4, 1]), np.array([0.0, 30.0, 0.0], dtype=np.float32), decay_days=30.0
    )
    assert counts == {7: pytest.approx(1 + np.exp(-1))}


def test_there_is_a_column_for_every_feature() -> None:
    ones = np.ones(5, dtype=np.float32)
    features = ranking_features(ones, ones, ones, ones)
    assert features.shape == (5, len(FEATURES))
    assert np.isfinite(features).all()


def test_without_a_ranker_similarity_decides() -> None:
    zeros = np.zeros(3, dtype=np.float32)
    features = ranking_features(np.array([0.1, 0.9, 0.5], dtype=np.float32), zeros, zeros, zeros)
    assert np.argsort(-rank_candidates(features, {})).tolist() == [1, 2, 0]
