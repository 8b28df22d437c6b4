"""Visitors' vectors as of one moment, encoded when they are asked for: all of a big shop's are more than a gigabyte."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from recommender.dataset.sequences import Histories
from recommender.encoders.visitor import VisitorEncoder

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
CHUNK: Final = 256  # visitors encoded at once


@dataclass(frozen=True)
class VisitorVectors:
    """[visitors, dim] float32 unit norm: the visitor encoder on the newest events of every history.

    Attributes:
        fused: [item rows, dim], row 0 zero. now: seconds since 1970 UTC that ages count from.
    """

    encoder: VisitorEncoder
    fused: Floats
    grouped: Histories
    now: int

    def __len__(self) -> int:
        return len(self.grouped.visitor)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.fused.shape[1]

    def __getitem__(self, chosen: slice | Ints) -> Floats:
        """[n, dim] of these visitors, in this order."""
        numbers = np.arange(len(self))[chosen]
        out = np.zeros((len(numbers), self.fused.shape[1]), dtype=np.float32)
        order = np.argsort(self._lengths(numbers), kind="stable")  # similar lengths together: little padding
        for at in range(0, len(order), CHUNK):
            few = order[at : at + CHUNK]
            out[few] = self._encoded(numbers[few])
        return out

    def _lengths(self, numbers: Ints) -> Ints:
        counts = self.grouped.offsets[numbers + 1] - self.grouped.offsets[numbers]
        return np.asarray(np.minimum(counts, self.encoder.settings.pool_length))

    @torch.no_grad()
    def _encoded(self, numbers: Ints) -> Floats:
        grouped, length = self.grouped, max(int(self._lengths(numbers).max()), 1)
        place = grouped.offsets[numbers + 1][:, None] - length + np.arange(length)[None, :]  # left-padded
        inside = place >= grouped.offsets[numbers][:, None]
        place = np.where(inside, place, 0)
        vectors = torch.from_numpy(self.fused[np.where(inside, grouped.item[place], 0)])
        kinds = torch.from_numpy(np.where(inside, grouped.kind[place], 0).astype(np.int64))
        ages = np.where(inside, np.maximum(self.now - grouped.at[place], 0), 0).astype(np.float32)
        return np.asarray(self.encoder(vectors, kinds, torch.from_numpy(ages)).numpy())
