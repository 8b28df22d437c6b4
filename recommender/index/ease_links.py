"""EASE's links of a version, loaded once a process."""

from functools import lru_cache

from recommender.dataset.ease_links import NAME, EaseLinks, unpack_ease
from recommender.index.artifacts import unpacked
from recommender.index.writer import shop_keys
from recommender.models import ModelVersion


def ease_links(version: ModelVersion) -> EaseLinks | None:
    """What leads on from all that a visitor ever took; None where older code trained the version.

    Raises:
        ArtifactCorrupt: the file was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=6)  # as many as visitor encoders
def _load(version_id: int) -> EaseLinks | None:
    return unpacked(version_id, NAME, lambda content: unpack_ease(content, shop_keys))
