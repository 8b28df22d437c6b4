from dataclasses import replace

import numpy as np
import pytest
import torch

from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.fusion import lay_out
from recommender.encoders.sequence import VisitorTransformer
from recommender.encoders.visitor import VisitorEncoder, VisitorSettings
from recommender.encoders.visitor_vectors import VisitorVectors
from tests.event_logs import START, camps

DIMS = {"sequence": 16, "graph": 8, "popularity": 2}


@pytest.fixture(scope="module")
def vectors() -> VisitorVectors:
    torch.manual_seed(0)
    log = camps(visitors=30)
    log = log.where(np.random.default_rng(0).random(len(log)) < 0.5)  # histories of different lengths
    fused = np.random.default_rng(0).standard_normal((41, 26)).astype(np.float32)
    fused[0] = 0.0
    parts = lay_out(DIMS, dict.fromkeys(DIMS, 1.0))
    encoder = VisitorEncoder(parts, VisitorTransformer(16), 8, VisitorSettings(pool_length=32)).eval()
    return VisitorVectors(encoder, fused, histories(log, Vocabulary(np.arange(1, 41))), START + 10**7)


def test_a_visitor_has_the_same_vector_whoever_is_asked_about_with_it(vectors: VisitorVectors) -> None:
    everybody = vectors[:]
    assert vectors.shape == everybody.shape == (30, 26)
    assert np.allclose(np.linalg.norm(everybody, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[np.array([17, 3])], everybody[[17, 3]], atol=1e-5)
    assert np.allclose(vectors[28:99], everybody[28:], atol=1e-5)


def test_only_those_who_are_asked_about_are_encoded(vectors: VisitorVectors) -> None:
    encoded: list[int] = []

    class Counted(VisitorEncoder):
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            encoded.append(len(inputs[0]))
            return super().forward(*inputs)

    encoder = vectors.encoder
    counted = Counted(encoder.parts, encoder.transformer, encoder.length, encoder.settings).eval()
    replace(vectors, encoder=counted)[np.array([4, 5])]
    assert encoded == [2]
