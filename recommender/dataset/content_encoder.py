"""An item's text and attributes → the content part of its vector, with numpy only.

The autoencoder (encoders/autoencoder.py) learns the numbers; here they are used, by the training itself and by whatever
runs without torch: the task that takes in new products, and the search by words.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable
from recommender.dataset.item_features import AttributeCodes
from recommender.dataset.text_features import TextFeatures, unit_rows

Floats = NDArray[np.float32]
NORM_EPSILON: Final = 1e-5  # of torch's LayerNorm
CHUNK: Final = 8_192  # items at once


@dataclass(frozen=True, slots=True)
class Layers:
    """z = W2 relu(norm(W1 text + sum of attribute embeddings)), the autoencoder's encoder.

    Attributes:
        tables: a [codes, hidden] array a column of attributes; row 0 is zero. text: [text dim, hidden].
        text_bias, scale, shift: [hidden], the latter two of the norm. out: [hidden, dim]. out_bias: [dim].
    """

    tables: tuple[Floats, ...]
    text: Floats
    text_bias: Floats
    scale: Floats
    shift: Floats
    out: Floats
    out_bias: Floats

    def encode(self, text: Floats, codes: NDArray[np.int64]) -> Floats:
        """[items, text dim] and [items, columns] → [items, dim] float32, unit norm."""
        x = text @ self.text + self.text_bias  # [items, hidden]
        for column, table in enumerate(self.tables):
            x += table[codes[:, column]]
        x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + NORM_EPSILON)
        z = np.maximum(x * self.scale + self.shift, 0.0) @ self.out + self.out_bias
        return unit_rows(z.astype(np.float32))


@dataclass(frozen=True, slots=True)
class ContentEncoder:
    """Items of a catalogue, and those that come later, in one space."""

    text: TextFeatures
    attributes: AttributeCodes
    layers: Layers

    def encode(self, items: ItemTable) -> Floats:
        """[items, dim] float32, unit norm."""
        codes = self.attributes.codes(items)
        parts = [
            self.layers.encode(self.text.encode(items.text[at : at + CHUNK]), codes[at : at + CHUNK])
            for at in range(0, len(items), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.layers.out_bias)), np.float32)

    def encode_words(self, text: str) -> Floats:
        """[dim] where an item of unknown attributes with this text would be."""
        codes = np.zeros((1, len(self.layers.tables)), dtype=np.int64)
        vectors = self.layers.encode(self.text.encode([text]), codes)
        return np.asarray(vectors[0])

    def turned(self, turn: Floats) -> "ContentEncoder":
        """The same encoder with its vectors times `turn` [dim, dim], which is orthogonal."""
        layers = replace(self.layers, out=self.layers.out @ turn, out_bias=self.layers.out_bias @ turn)
        return replace(self, layers=layers)
