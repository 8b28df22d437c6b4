"""The words of items, and how much two items have in common by them: the relation "content" of `links`.

`links.alike` counts the whole catalogue at once; `WordWeights` does the same for an item that comes later, with numpy
and the standard library only.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable

Floats = NDArray[np.float32]
MOST_ITEMS_OF_A_WORD: Final = 500  # a word of more items tells little and costs their square
TOKEN: Final = re.compile(r"[^\W_]+")
SEPARATOR: Final = re.compile(r"[|,;]")  # of several values of one attribute
SIMILAR: Final = 0.3  # of two words' trigrams in common: one letter wrong in a word of six
IDEOGRAPH: Final = re.compile(r"[\u3400-\u9fff]")


def words_of(items: ItemTable) -> Iterator[list[str]]:
    """The words of each item: of its text, single characters and pairs where it is written without spaces, and one
    word an attribute value."""
    columns = list(items.attributes.items())
    for place, text in enumerate(items.text):
        words = []
        for token in TOKEN.findall(text.lower()):
            if IDEOGRAPH.search(token):
                words += [*token, *(token[at : at + 2] for at in range(len(token) - 1))]
            else:
                words.append(token)
        for name, values in columns:
            words += [f"{name}={value}" for value in map(str.strip, SEPARATOR.split(values[place].lower())) if value]
        yield words


def _trigrams(word: str) -> set[str]:
    padded = f" {word} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


@dataclass(frozen=True)
class WordWeights:
    """How rare each word is in a catalogue.

    Attributes:
        words: [words] str, those of more than one item. counts: [words] int64 items that have it. items: all of them.
        largest: the cosine that became strength 1 when the version's links were stored.
    """

    words: NDArray[np.str_]
    counts: NDArray[np.int64]
    items: int
    largest: float = 1.0

    @classmethod
    def of(cls, items: ItemTable, strongest: tuple[int, int] | None = None) -> "WordWeights":
        """Args:
        strongest: places in `items` of the pair whose stored strength is 1; None where there are no links.
        """
        documents = list(words_of(items))
        counts = Counter(word for words in documents for word in set(words))
        common = sorted(word for word, count in counts.items() if count > 1)
        weights = cls(np.array(common, dtype=str), np.array([counts[word] for word in common], np.int64), len(items))
        if strongest is None:
            return weights
        first, second = (documents[place] for place in strongest)
        largest = float(weights.strengths(first, [second])[0])
        return cls(weights.words, weights.counts, weights.items, largest or 1.0)

    def strengths(self, words: Sequence[str], others: Sequence[Sequence[str]]) -> Floats:
        """[others] 0..1: cosine of an item's words with those of other items, as the version's links hold it."""
        own = self._vector(words)
        cosines = [sum(weight * own.get(word, 0.0) for word, weight in self._vector(other).items()) for other in others]
        return np.minimum(np.array(cosines) / self.largest, 1.0).astype(np.float32)

    def spelled(self, text: str) -> tuple[str, bool]:
        """(the words of `text`, each that the catalogue does not have as the most similar one that it has; whether it
        has all of them now)."""
        words = [word if self._knows(word) else self._similar(word) for word in TOKEN.findall(text.lower())]
        return " ".join(filter(None, words)), bool(words) and all(words)

    def _knows(self, word: str) -> bool:
        return word in self._count or bool(IDEOGRAPH.search(word) and any(letter in self._count for letter in word))

    def _similar(self, word: str) -> str:
        """The word with most trigrams in common, the more frequent one of equals; "" where none has enough."""
        asked = _trigrams(word)
        shared = Counter(place for gram in asked for place in self._with_trigram.get(gram, ()))
        similar = [
            (count / (len(asked) + len(_trigrams(other)) - count), int(self.counts[place]), other)
            for place, count in shared.items()
            if (other := str(self.words[place]))
        ]
        best = max(similar, default=(0.0, 0, ""))
        return best[2] if best[0] >= SIMILAR else ""

    @cached_property
    def _with_trigram(self) -> dict[str, list[int]]:
        """Trigram → places of the words that have it; attribute values are no words."""
        found: dict[str, list[int]] = {}
        for place, word in enumerate(self.words.tolist()):
            for gram in _trigrams(word) if "=" not in word else ():
                found.setdefault(gram, []).append(place)
        return found

    @cached_property
    def _count(self) -> dict[str, int]:
        return dict(zip(self.words.tolist(), self.counts.tolist(), strict=True))

    def _vector(self, words: Sequence[str]) -> dict[str, float]:
        """Word → its share of a unit vector; words of one item, or of too many, give length but no direction."""
        weights = {word: (1.0 + math.log(times)) * self._rarity(word) for word, times in Counter(words).items()}
        norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {
            word: weight / norm
            for word, weight in weights.items()
            if 1 < self._count.get(word, 1) <= MOST_ITEMS_OF_A_WORD
        }

    def _rarity(self, word: str) -> float:
        return math.log((1 + self.items) / (1 + self._count.get(word, 1))) + 1.0
