"""Files of a version, as they were written."""

import hashlib

from recommender.exceptions import ArtifactCorrupt
from recommender.models import ModelArtifact


def read_artifact(version_id: int, name: str) -> bytes:
    """The file's content.

    Raises:
        ArtifactCorrupt: it is missing or was changed.
    """
    artifact = ModelArtifact.objects.filter(version_id=version_id, name=name).first()
    content = bytes(artifact.content) if artifact else b""
    if artifact is None or hashlib.sha256(content).hexdigest() != artifact.sha256:
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({name} of version {version_id})")
    return content
