"""A ranker that boasts is brought down to what comes, by visitors other than those it is measured on."""

import numpy as np
import pytest
import scipy.sparse as sp

from recommender.evaluation.judge import rank
from recommender.evaluation.segments import by_history, calibration
from recommender.evaluation.temperature import HALVES, temperatures

ITEMS, VISITORS, BOAST = 41, 4_000, 8.0


@pytest.fixture
def shop() -> tuple[np.ndarray, sp.csr_matrix]:
    """([visitors, items] true log chances, what each took next, drawn by them)."""
    random = np.random.default_rng(0)
    logits = random.normal(0.0, 1.5, (VISITORS, ITEMS)).astype(np.float32)
    logits[:, 0] = -np.inf
    chosen = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return logits, sp.csr_matrix((np.ones(VISITORS), (np.arange(VISITORS), chosen)), shape=logits.shape)


def test_the_temperature_undoes_the_boast_and_the_promises_hold(shop: tuple[np.ndarray, sp.csr_matrix]) -> None:
    logits, relevant = shop
    asked, nothing = np.arange(VISITORS), sp.csr_matrix(logits.shape, dtype=np.float32)

    def boasting(numbers: np.ndarray) -> np.ndarray:
        return BOAST * logits[numbers]

    heat = temperatures(boasting, asked, relevant)
    assert heat == pytest.approx(np.full(VISITORS, BOAST), rel=0.1)
    plain, fitted = rank(boasting, asked, nothing), rank(boasting, asked, nothing, heat)
    assert (plain.every == fitted.every).all() and (plain.new == fitted.new).all()
    assert calibration(plain, relevant)[-1]["predicted"] > 2 * calibration(plain, relevant)[-1]["observed"]
    for row in calibration(fitted, relevant):
        assert abs(row["predicted"] - row["observed"]) < 5 * max(row["error"], 1e-3)
    history = sp.csr_matrix(np.eye(ITEMS, dtype=np.float32)[np.ones(VISITORS, int)])
    told = by_history(fitted, relevant, history)[0]
    assert told["predicted"] == pytest.approx(told["observed"], abs=0.03)


def test_a_half_is_measured_at_the_temperature_of_the_other() -> None:
    scores = np.array([-np.inf, 9.0, 0.0, 0.0], dtype=np.float32)
    taken = np.tile([1, 2], 50)  # the first half takes what is promised, the second what is not
    relevant = sp.csr_matrix((np.ones(100), (np.arange(100), taken)), shape=(100, 4))
    heat = temperatures(lambda numbers: np.tile(scores, (len(numbers), 1)), np.arange(100), relevant)
    assert len(set(heat[::HALVES])) == len(set(heat[1::HALVES])) == 1
    assert heat[0] > 50 and heat[1] < 1


def test_without_anything_to_find_the_scores_are_left_as_they_are() -> None:
    scores = np.array([-np.inf, 1.0, -np.inf], dtype=np.float32)
    nothing = sp.csr_matrix((3, 3), dtype=np.float32)
    heat = temperatures(lambda numbers: np.tile(scores, (len(numbers), 1)), np.arange(3), nothing)
    assert heat.tolist() == [1.0, 1.0, 1.0]
    assert temperatures(lambda numbers: np.zeros((0, 3)), np.zeros(0, np.int64), nothing[:0]).shape == (0,)
