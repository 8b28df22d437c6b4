"""The item encoder of a version, loaded once a process."""

from functools import lru_cache

from recommender.dataset.item_encoder import NAME, ItemEncoder, unpack_encoder
from recommender.index.artifacts import unpacked
from recommender.models import ModelVersion


def item_encoder(version: ModelVersion) -> ItemEncoder | None:
    """What places items by their words in this version; None where the version has none: older code trained it, or a
    language model read its texts.

    Raises:
        ArtifactCorrupt: the file was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=2)  # the live version, and the one before
def _load(version_id: int) -> ItemEncoder | None:
    return unpacked(version_id, NAME, unpack_encoder)
