"""The visitor encoder of a version, run by onnxruntime in the web process: a history → a vector."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.models import ModelVersion
from recommender.serving.history import History

ARTIFACT: Final = "visitor_encoder.onnx"
DEFAULT_MAX_LENGTH: Final = 64  # events, where the file does not say


@dataclass(frozen=True, slots=True)
class VisitorEncoder:
    """One loaded file. `max_length`: it looks at so many newest events."""

    session: Any
    max_length: int

    def encode(self, history: History) -> NDArray[np.float32] | None:
        """[dim] float32, unit norm; None where no item of the history has a vector.

        Raises:
            ArtifactCorrupt: the file cannot be run on this version's vectors.
        """
        known = history.has_vector
        if not known.any():
            return None
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


@lru_cache(maxsize=6)  # the live version, the one before for requests that are under way, those of an experiment
def _load(version_id: int) -> VisitorEncoder:
    content = read_artifact(version_id, ARTIFACT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # one small sequence: threads would only wait
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's classes have no common base
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({ARTIFACT}: {error})") from error
    metadata = session.get_modelmeta().custom_metadata_map
    return VisitorEncoder(session, int(metadata.get("max_length", DEFAULT_MAX_LENGTH)))
