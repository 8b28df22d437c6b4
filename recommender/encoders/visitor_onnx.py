"""Visitor encoder → ONNX bytes. The web process runs them with onnxruntime and needs no torch.

Inputs: `vectors` float32 [1, length, dim], the fused item vectors of the newest events, oldest first; `kinds` int64
[1, length]; `ages_seconds` float32 [1, length]. 1 ≤ length ≤ the metadata entry `max_length`.
Output: `visitor_vector` float32 [1, dim], unit norm.
"""

import io
import json
import logging
import warnings
from typing import Final

import onnx
import torch

from recommender.encoders.visitor import VisitorEncoder

OPSET: Final = 18
NAME: Final = "visitor_encoder.onnx"


def export_visitor_encoder(encoder: VisitorEncoder, dim: int) -> bytes:
    """The encoder as one self-contained ONNX file, with `max_length` and `pool` (serving's Pool) in its metadata."""
    length = 3  # of the example; the axis is dynamic
    example = (torch.randn(1, length, dim), torch.full((1, length), 4), torch.zeros(1, length))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter announces its own future
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            encoder.eval().cpu(),
            example,
            buffer,  # type: ignore[arg-type]  # the stub knows paths only
            input_names=["vectors", "kinds", "ages_seconds"],
            output_names=["visitor_vector"],
            dynamic_axes={name: {1: "length"} for name in ("vectors", "kinds", "ages_seconds")},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    pool = {
        "parts": [part.name for part in encoder.parts if part.name not in ("sequence", "popularity")],
        "kind_weights": encoder.kind_weights.tolist(),
        "decay_days": encoder.settings.pool_decay_days,
        "session_seconds": encoder.settings.session_seconds,
        "session_share": encoder.settings.session_share,
    }
    onnx.helper.set_model_props(model, {"max_length": str(encoder.settings.pool_length), "pool": json.dumps(pool)})
    onnx.checker.check_model(model)
    return model.SerializeToString()
