"""The item encoder of a version, loaded once a process."""

import zipfile
from functools import lru_cache

from recommender.dataset.item_encoder import NAME, ItemEncoder, unpack_encoder
from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.models import ModelArtifact, ModelVersion


def item_encoder(version: ModelVersion) -> ItemEncoder | None:
    """What places items by their words in this version; None where the version has none: older code trained it, or a
    language model read its texts.

    Raises:
        ArtifactCorrupt: the file was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=2)  # the live version, and the one before
def _load(version_id: int) -> ItemEncoder | None:
    if not ModelArtifact.objects.filter(version_id=version_id, name=NAME).exists():
        return None
    try:
        return unpack_encoder(read_artifact(version_id, NAME))
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({NAME}: {error})") from error
