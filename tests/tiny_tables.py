"""Hand-made EmbeddingTables with a known right answer, and a real (small) visitor encoder; no shop, no database."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from recommender.dataset.ranking_features import FEATURES, STATISTICS
from recommender.encoders.tables import EmbeddingTable, Part

DIM = 16


def group_vectors(n: int, groups: int) -> NDArray[np.float32]:
    """[n, DIM] unit vectors: row i points along axis `i % groups`, with a small part of its own."""
    own = np.random.default_rng(0).normal(scale=0.05, size=(n, DIM))
    vectors = np.eye(DIM)[np.arange(n) % groups] + own
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@cache
def mean_encoder(max_length: int = 64) -> bytes:
    """A visitor encoder as ONNX: the mean of the vectors at unit norm, whatever the kinds and ages."""
    inputs = [
        helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [1, "length", DIM]),
        helper.make_tensor_value_info("kinds", TensorProto.INT64, [1, "length"]),
        helper.make_tensor_value_info("ages_seconds", TensorProto.FLOAT, [1, "length"]),
    ]
    output = helper.make_tensor_value_info("visitor_vector", TensorProto.FLOAT, [1, DIM])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("ReduceMean", ["vectors", "axis"], ["mean"], keepdims=0),
        helper.make_node("ReduceL2", ["mean", "axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["mean", "length"], ["visitor_vector"]),
    ]
    graph = helper.make_graph(nodes, "mean_encoder", inputs, [output], [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    pool = {"parts": ["content"], "kind_weights": [1.0] * 5, "decay_days": 1e9, "session_seconds": 0.0}
    helper.set_model_props(model, {"max_length": str(max_length), "pool": json.dumps({**pool, "session_share": 0.0})})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def linear_ranker(**weights: float) -> dict[str, object]:
    """`ModelVersion.ranker` that weighs the named features, without the network's hidden layer."""
    features = len(FEATURES)
    return {
        "mean": [0.0] * features,
        "scale": [1.0] * features,
        "linear": [weights.get(name, 0.0) for name in FEATURES],
        "hidden": [[0.0]] * features,
        "bias": [0.0],
        "out": [0.0],
    }


def tiny_table(products: Sequence[Any], visitors: Sequence[Any] = (), *, groups: int = 2) -> EmbeddingTable:
    """Products (or their keys) in `groups` groups of similar ones: product i is in group `i % groups`.

    The first product is the most popular; product i is often bought with product i + groups. UUID keys become text.
    """
    keys = [getattr(product, "pk", product) for product in products]
    column = np.array([key if isinstance(key, int) else str(key) for key in keys])
    vectors = group_vectors(len(keys), groups)
    pairs = max(0, len(keys) - groups)
    return EmbeddingTable(
        item=column,
        vector=vectors,
        popularity=np.arange(len(keys), 0, -1, dtype=np.float32),
        statistics=np.zeros((len(keys), len(STATISTICS)), dtype=np.float32),
        links=[b""] * len(keys),
        is_cold=np.zeros(len(keys), dtype=bool),
        parts=(Part("content", 0, DIM, 1.0),),
        visitor=np.array([visitor.pk for visitor in visitors], dtype=np.int64),
        visitor_vector=group_vectors(len(visitors), groups),
        pair_item=column[:pairs],
        pair_other=column[groups:],
        pair_score=np.linspace(1, 0.5, pairs, dtype=np.float32),
        pair_support=np.full(pairs, 7, dtype=np.int32),
        artifacts={"visitor_encoder.onnx": mean_encoder()},
        ranker=linear_ranker(similarity=1.0, own_120=0.01),
    )
