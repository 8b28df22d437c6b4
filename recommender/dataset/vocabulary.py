"""The only bridge between the shop's keys and matrix rows; the two never mix elsewhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PADDING = 0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Keys ↔ rows. Row 0 is padding and the answer for an unknown key; key number k has row k + 1.

    Attributes:
        keys: [size] ascending and unique, int64 or str.
    """

    keys: NDArray[np.generic]

    @classmethod
    def of(cls, keys: NDArray[np.generic]) -> "Vocabulary":
        """A vocabulary of the different values of `keys`, in any order."""
        return cls(np.unique(keys))

    def __len__(self) -> int:
        """Number of rows, padding included."""
        return len(self.keys) + 1

    def rows(self, keys: NDArray[np.generic]) -> NDArray[np.int64]:
        """[n] rows of [n] keys; PADDING where a key is unknown."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.int64)
        place = np.searchsorted(self.keys, keys)
        place[place == len(self.keys)] = 0
        return np.where(self.keys[place] == keys, place + 1, PADDING).astype(np.int64)
