"""Files of arrays (`dataset.array_files`) that a version may have, each unpacked once a process."""

import zipfile
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Generic, TypeVar

from django.core.exceptions import ValidationError

from recommender.dataset import cold_items as cold
from recommender.dataset import ease_links as ease
from recommender.dataset import item_encoder as encoder
from recommender.exceptions import ArtifactCorrupt
from recommender.index.artifacts import read_artifact
from recommender.index.writer import shop_keys
from recommender.models import ModelArtifact, ModelVersion

File = TypeVar("File")


class VersionFile(Generic[File]):
    """version → what its file holds; None where it has none, as one that older code trained.

    Args:
        kept: versions whose file a process holds.
    Raises (when it is called):
        ArtifactCorrupt: the file was changed, or is none.
    """

    def __init__(self, name: str, unpack: Callable[[bytes], File], kept: int) -> None:
        self._name, self._unpack = name, unpack
        self._load = lru_cache(maxsize=kept)(self._read)
        self.forget = self._load.cache_clear

    def __call__(self, version: ModelVersion) -> File | None:
        return self._load(version.pk)

    def _read(self, version_id: int) -> File | None:
        if not ModelArtifact.objects.filter(version_id=version_id, name=self._name).exists():
            return None
        try:
            return self._unpack(read_artifact(version_id, self._name))
        except (ValueError, KeyError, OSError, zipfile.BadZipFile, ValidationError) as error:
            raise ArtifactCorrupt(f"{ArtifactCorrupt.__doc__} ({self._name}: {error})") from error


ENCODERS_KEPT: Final = 6  # of visitors: the live version's, the one before for requests under way, an experiment's

# Items that nobody had taken when the version was trained.
cold_items: Final = VersionFile(cold.NAME, cold.unpack_cold, ENCODERS_KEPT)
# What leads on from all that a visitor ever took.
ease_links: Final = VersionFile(ease.NAME, lambda content: ease.unpack_ease(content, shop_keys), ENCODERS_KEPT)
# What places items by their words, of the live version and the one before; none where a language model read the texts.
item_encoder: Final = VersionFile(encoder.NAME, encoder.unpack_encoder, 2)
