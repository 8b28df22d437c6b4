"""EASE's links of a version, loaded once a process."""

import zipfile
from functools import lru_cache

from recommender.dataset.ease_links import NAME, EaseLinks, unpack_ease
from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.index.writer import shop_keys
from recommender.models import ModelArtifact, ModelVersion


def ease_links(version: ModelVersion) -> EaseLinks | None:
    """What leads on from all that a visitor ever took; None where older code trained the version.

    Raises:
        ArtifactCorrupt: the file was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=6)  # as many as visitor encoders
def _load(version_id: int) -> EaseLinks | None:
    if not ModelArtifact.objects.filter(version_id=version_id, name=NAME).exists():
        return None
    try:
        return unpack_ease(read_artifact(version_id, NAME), shop_keys)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({NAME}: {error})") from error
