"""The visitor encoder of a version, run by onnxruntime in the web process: a history → a vector."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recommender.capture.tables import DAY_SECONDS, PURCHASE
from recommender.conf import conf
from recommender.dataset.ranking_features import Floats
from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.index.version_files import ENCODERS_KEPT
from recommender.models import ModelVersion
from recommender.serving.history import History

ARTIFACT: Final = "visitor_encoder.onnx"
DEFAULT_MAX_LENGTH: Final = 64  # events, where the file does not say


@dataclass(frozen=True, slots=True)
class Pool:
    """How the encoder averages a history, for whoever asks what one item of it does.

    Attributes:
        parts: names of the parts that are averages. kind_weights: by the number of an event's kind.
        decay_days: age at which an event counts 1/e. session_seconds: younger ones (no purchases) are a wish, too, and
        count `session_share` beside the whole history.
    """

    parts: list[str]
    kind_weights: list[float]
    decay_days: float
    session_seconds: float
    session_share: float

    def weights(self, kind: NDArray[np.int8], age_seconds: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """([events] how much each counts in the whole history, [events] 1 for what is a wish)."""
        decay = np.exp(-age_seconds / (self.decay_days * DAY_SECONDS)) + 1e-3
        is_wish = (age_seconds < self.session_seconds) & (kind < PURCHASE)
        counts = np.array(self.kind_weights)[kind] * decay
        return counts.astype(np.float32), is_wish.astype(np.float32)


@dataclass(frozen=True, slots=True)
class VisitorEncoder:
    """One loaded file. `max_length`: it looks at so many newest events. `pool`: None where older code wrote it."""

    session: Any
    max_length: int
    pool: Pool | None = None

    def encode(self, history: History) -> NDArray[np.float32] | None:
        """[dim] float32, unit norm: of the events, else of what the visitor asked for more of; None where neither has
        an item that the version knows.

        Raises:
            ArtifactCorrupt: the file cannot be run on this version's vectors.
        """
        known = history.has_vector
        if not known.any():
            return history.opinions.start()
        inputs = {
            "vectors": history.vectors[None],  # [1, length, dim]
            "kinds": history.kind[known].astype(np.int64)[None],  # [1, length]
            "ages_seconds": history.age_seconds[known].astype(np.float32)[None],  # [1, length]
        }
        try:
            (output,) = self.session.run(["visitor_vector"], inputs)
        except Exception as error:  # onnxruntime's classes have no common base
            raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({ARTIFACT}: {error})") from error
        if output.shape != (1, history.vectors.shape[1]) or not np.isfinite(output).all():
            raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({ARTIFACT} returned no usable vector)")
        return np.asarray(output[0], dtype=np.float32)


def visitor_encoder(version: ModelVersion) -> VisitorEncoder:
    """The encoder of this version, loaded once a process.

    Raises:
        ArtifactCorrupt: the file is missing, was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=ENCODERS_KEPT)
def _load(version_id: int) -> VisitorEncoder:
    content = read_artifact(version_id, ARTIFACT)
    # A list multiplies small matrices: threads that share one wait for each other, on busy cores for longer than the
    # whole list takes.
    if conf.BLAS_THREADS is not None:
        threadpool_limits(conf.BLAS_THREADS, user_api="blas")  # of the process, from now on
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes have no common base
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({ARTIFACT}: {error})") from error
    metadata = session.get_modelmeta().custom_metadata_map
    pool = Pool(**json.loads(metadata["pool"])) if "pool" in metadata else None
    return VisitorEncoder(session, int(metadata.get("max_length", DEFAULT_MAX_LENGTH)), pool)
