"""What a visitor said of items, at work: "not for me" takes an item and its like away, "more like this" brings it."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.index.nearest import likeness
from recommender.models import Feedback, ModelVersion, Visitor

Floats = NDArray[np.float32]
ALIKE: Final = 0.3  # cosine below which an item has nothing of one that was spoken of
WEIGHT: Final = 3.0  # standard deviations of the scores that an item's twin moves by
PULL: Final = 1.0  # of the liked ones on what retrieval looks for, beside the visitor's own vector


@dataclass(frozen=True, slots=True)
class Opinions:
    """Items that a visitor spoke of.

    Attributes:
        refused, wanted: keys of "not for me" and "more like this"; all of them, in the version or not.
        liked: keys of the rows of liked_vectors [n, dim]. refused_vectors: [n, dim] of those that the version knows.
    """

    refused: frozenset[Any] = frozenset()
    wanted: frozenset[Any] = frozenset()
    refused_vectors: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    liked: tuple[Any, ...] = ()
    liked_vectors: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __bool__(self) -> bool:
        return bool(len(self.refused_vectors) or len(self.liked_vectors))

    def start(self) -> Floats | None:
        """[dim] unit norm, in the middle of what is liked; None where the version knows nothing of it.

        What somebody is after who has said so before doing anything: to ask for more like it, and get what is popular
        as before, would look as if nobody had listened.
        """
        middle = self.liked_vectors.sum(axis=0)
        length = float(np.linalg.norm(middle))
        return np.asarray(middle / length, dtype=np.float32) if length else None

    def pulled(self, version: ModelVersion, vector: Floats) -> Floats:
        """[dim] what retrieval looks for: the visitor's vector, drawn to what is liked."""
        if not len(self.liked_vectors):
            return vector
        liked = likeness(version, self.liked_vectors).mean(axis=0)
        pulled = vector + np.float32(PULL) * liked / max(float(np.linalg.norm(liked)), 1e-9)
        return np.asarray(pulled / np.linalg.norm(pulled), dtype=np.float32)

    def effect(self, version: ModelVersion, vectors: Floats, scores: Floats) -> Floats:
        """[n] what the opinions add to each candidate's score.

        Args:
            vectors: [n, dim] of the candidates. scores: [n] the ranker's.
        """
        if not self or not len(scores):
            return np.zeros(len(scores), dtype=np.float32)
        alike = likeness(version, vectors)
        unit = np.float32(WEIGHT * max(float(scores.std()), 1e-6))
        return unit * (_nearness(version, alike, self.liked_vectors) - _nearness(version, alike, self.refused_vectors))

    def nearest_liked(self, version: ModelVersion, vector: Floats) -> Any:
        """Key of the liked item that a candidate [dim] is most like; None where it is like none."""
        if not len(self.liked_vectors):
            return None
        cosine = likeness(version, self.liked_vectors) @ likeness(version, vector)
        return self.liked[int(cosine.argmax())] if cosine.max() > ALIKE else None


def _nearness(version: ModelVersion, alike: Floats, spoken_of: Floats) -> Floats:
    """[n] 0..1: cosine with the nearest item that was spoken of, 0 at ALIKE and below."""
    if not len(spoken_of):
        return np.zeros(len(alike), dtype=np.float32)
    cosine = (alike @ likeness(version, spoken_of).T).max(axis=1)
    return np.asarray(np.maximum(cosine - ALIKE, 0.0) / (1.0 - ALIKE), dtype=np.float32)


def read_opinions(visitor: Visitor | None) -> Opinions:
    """Without vectors, for lists that read no history; one statement."""
    if visitor is None:
        return Opinions()
    said = list(Feedback.objects.filter(visitor=visitor.pk).values_list("item_id", "value"))
    refused, wanted = (
        frozenset(item for item, value in said if value == each) for each in (Feedback.Value.LESS, Feedback.Value.MORE)
    )
    return Opinions(refused, wanted)
