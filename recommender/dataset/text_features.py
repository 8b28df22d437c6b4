"""A text → numbers, by the character grams that the catalogue taught. Numpy only: the web process runs it, too.

The same as scikit-learn's TfidfVectorizer(analyzer="char_wb", ngram_range=(1, LONGEST), sublinear_tf=True) and then its
TruncatedSVD, which fit it (encoders/text.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LONGEST: Final = 4  # characters of a gram


@dataclass(frozen=True)
class TextFeatures:
    """What a catalogue's texts are described by.

    Attributes:
        grams: [grams] str. idf: [grams] weight of each. components: [grams, dim] its direction; no grams: zero rows.
    """

    grams: NDArray[np.str_]
    idf: Floats
    components: Floats

    @cached_property
    def _place(self) -> dict[str, int]:
        return {gram: place for place, gram in enumerate(self.grams.tolist())}

    def encode(self, texts: Sequence[str]) -> Floats:
        """[texts, dim] float32, unit norm; a zero row for a text without any known gram."""
        out = np.zeros((len(texts), self.components.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            counts = Counter(place for gram in grams_of(text) if (place := self._place.get(gram)) is not None)
            if counts:
                places = np.fromiter(counts, dtype=np.int64)
                times = np.fromiter(counts.values(), dtype=np.float32)
                out[row] = ((1.0 + np.log(times)) * self.idf[places]) @ self.components[places]
        return unit_rows(out)


def grams_of(text: str) -> Iterator[str]:
    """Every gram of 1 to LONGEST characters inside the words, a space on either side of each word."""
    for word in text.lower().split():
        padded = f" {word} "
        for length in range(1, min(LONGEST, len(padded)) + 1):
            yield from (padded[at : at + length] for at in range(len(padded) - length + 1))


def unit_rows(rows: Floats) -> Floats:
    """Each row at unit norm; one that is zero stays so."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 1e-6))
