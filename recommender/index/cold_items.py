"""The items of a version that nobody had taken, loaded once a process."""

from functools import lru_cache

from recommender.dataset.cold_items import NAME, ColdItems, unpack_cold
from recommender.index.artifacts import unpacked
from recommender.models import ModelVersion


def cold_items(version: ModelVersion) -> ColdItems | None:
    """Those that lists choose from; None where older code trained the version.

    Raises:
        ArtifactCorrupt: the file was changed, or is none.
    """
    return _load(version.pk)


@lru_cache(maxsize=6)  # as many as visitor encoders
def _load(version_id: int) -> ColdItems | None:
    return unpacked(version_id, NAME, unpack_cold)
