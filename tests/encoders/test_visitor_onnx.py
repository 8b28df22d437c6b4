import numpy as np
import onnxruntime
import pytest
import torch

from recommender.encoders.fusion import lay_out
from recommender.encoders.sequence import VisitorTransformer
from recommender.encoders.visitor import VisitorEncoder, VisitorSettings
from recommender.encoders.visitor_onnx import export_visitor_encoder

DIMS = {"sequence": 16, "graph": 8, "content": 8, "popularity": 2}
WEIGHTS = {"sequence": 0.4, "graph": 0.3, "content": 0.2, "popularity": 0.1}


@pytest.fixture(scope="module")
def encoder() -> VisitorEncoder:
    torch.manual_seed(0)
    transformer = VisitorTransformer(16)
    torch.nn.init.normal_(transformer.leave.weight, std=0.1)
    return VisitorEncoder(lay_out(DIMS, WEIGHTS), transformer, 8, VisitorSettings(pool_length=32)).eval()


@pytest.fixture(scope="module")
def session(encoder: VisitorEncoder) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(export_visitor_encoder(encoder, 34), providers=["CPUExecutionProvider"])


def history(length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    vectors = torch.nn.functional.normalize(torch.randn(1, length, 34), dim=-1)
    ages = torch.sort(torch.rand(1, length) * 1e7, descending=True).values
    return vectors, torch.randint(1, 5, (1, length)), ages


@pytest.mark.parametrize("length", [1, 2, 8, 9, 32])
def test_onnx_and_torch_agree(encoder: VisitorEncoder, session: onnxruntime.InferenceSession, length: int) -> None:
    inputs = history(length)
    names = ("vectors", "kinds", "ages_seconds")
    feed = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
    (onnx,) = session.run(None, feed)
    with torch.no_grad():
        assert np.allclose(onnx, encoder(*inputs).numpy(), atol=1e-5)
    assert np.linalg.norm(onnx) == pytest.approx(1, abs=1e-4)


def test_the_file_says_how_long_a_history_may_be(session: onnxruntime.InferenceSession) -> None:
    assert session.get_modelmeta().custom_metadata_map["max_length"] == "32"


def test_left_padding_changes_nothing(encoder: VisitorEncoder) -> None:
    vectors, kinds, ages = history(5)
    padded = (
        torch.cat([torch.zeros(1, 4, 34), vectors], 1),
        torch.cat([torch.zeros(1, 4, dtype=torch.int64), kinds], 1),
        torch.cat([torch.zeros(1, 4), ages], 1),
    )
    with torch.no_grad():
        assert torch.allclose(encoder(vectors, kinds, ages), encoder(*padded), atol=1e-5)


def test_what_was_just_looked_at_comes_nearer(encoder: VisitorEncoder) -> None:
    vectors, kinds, ages = history(20)
    kinds[:] = 4
    viewed = torch.nn.functional.normalize(torch.randn(1, 1, 34), dim=-1)
    later = (torch.cat([vectors, viewed], 1), torch.cat([kinds, torch.tensor([[1]])], 1))
    age = torch.cat([ages + 86_400.0, torch.zeros(1, 1)], 1)
    with torch.no_grad():
        before = encoder(vectors, kinds, ages + 86_400.0)[0] @ viewed[0, 0]
        now, next_day = encoder(*later, age)[0] @ viewed[0, 0], encoder(*later, age + 86_400.0)[0] @ viewed[0, 0]
    assert now > before + 0.1
    assert now > next_day + 0.1


@pytest.mark.parametrize(("age", "gap"), [(0.0, 0.0), (86_400.0, 0.1)])
def test_popularity_steps_back_in_a_session(encoder: VisitorEncoder, age: float, gap: float) -> None:
    vectors, kinds, _ = history(3)
    with torch.no_grad():
        popularity = encoder(vectors, torch.ones_like(kinds), torch.full((1, 3), age))[0, -2:]
    popular, unpopular = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    scale = WEIGHTS["popularity"] ** 0.5
    assert (popularity @ (popular - unpopular) * scale).item() == pytest.approx(gap, abs=1e-6)
