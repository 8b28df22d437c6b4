"""Files of a version, as they were written."""

import hashlib
import zipfile
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ValidationError

from recommender.exceptions import ArtifactCorrupt
from recommender.models import ModelArtifact

File = TypeVar("File")


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


def unpacked(version_id: int, name: str, unpack: Callable[[bytes], File]) -> File | None:
    """A file of arrays (`dataset.array_files`); None where the version has none.

    Raises:
        ArtifactCorrupt: it was changed, or is no such file.
    """
    if not ModelArtifact.objects.filter(version_id=version_id, name=name).exists():
        return None
    try:
        return unpack(read_artifact(version_id, name))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, ValidationError) as error:
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({name}: {error})") from error
