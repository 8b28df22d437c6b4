import numpy as np
import pytest

from recommender.encoders.fusion import fit_weights, fuse, lay_out, popularity_part

RNG = np.random.default_rng(0)


def unit(rows: int, dim: int) -> np.ndarray:
    vectors = RNG.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_cosine_of_fused_vectors_is_the_weighted_sum_of_the_parts_cosines() -> None:
    vectors = {"a": unit(5, 8), "b": unit(5, 4)}
    parts = lay_out({"a": 8, "b": 4}, {"a": 3.0, "b": 1.0})
    fused = fuse(vectors, parts)
    expected = 0.75 * vectors["a"] @ vectors["a"].T + 0.25 * vectors["b"] @ vectors["b"].T
    assert np.allclose(fused @ fused.T, expected, atol=1e-6)


def test_the_popularity_part_has_popularity_as_its_cosine_with_the_first_axis() -> None:
    part = popularity_part(np.array([0.0, 9.0, 99.0], dtype=np.float32))
    assert np.allclose(part[:, 0], [0, 0.5, 1], atol=1e-6)
    assert np.allclose(np.linalg.norm(part, axis=1), 1)


def test_popularity_of_nothing_is_no_error() -> None:
    assert np.isfinite(popularity_part(np.zeros(3, dtype=np.float32))).all()


def test_a_part_that_knows_the_answer_gets_the_weight() -> None:
    relevant = np.eye(50, dtype=bool)
    cosines = np.stack([relevant.astype(np.float32), RNG.standard_normal((50, 50)).astype(np.float32)], axis=-1)
    weights = fit_weights(cosines, relevant, ("knows", "noise"))
    assert weights["knows"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)


def test_without_an_answer_the_parts_share_alike() -> None:
    nothing = np.zeros((4, 6), dtype=bool)
    assert fit_weights(np.zeros((4, 6, 2), np.float32), nothing, ("a", "b")) == {"a": 0.5, "b": 0.5}
