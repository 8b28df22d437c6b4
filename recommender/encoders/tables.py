"""What training hands back to Django: vectors and what is needed to use them. Plain numpy, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of the fused vector: columns start..stop hold one encoder's unit vector times sqrt(weight).

    The weights of all parts sum to 1, so the fused vector has unit norm and cosine similarity of two fused vectors
    is the weighted sum of the parts' cosines.
    """

    name: str  # "sequence", "graph" or "content"
    start: int
    stop: int
    weight: float


class Cold(StrEnum):
    """Why a training began anew instead of going on from the live version."""

    NOTHING = "nothing"  # no version is live, or it left nothing that can be read
    ASKED = "asked"
    FAILED = "failed"  # the training before this one published nothing
    DUE = "due"  # FULL_TRAINING_DAYS are over
    EARLIER = "earlier"  # the live version has learned events that must judge this one
    SETTINGS = "settings"  # it was trained with other settings, or by other code
    CATALOGUE = "catalogue"  # none of its items is left


VISITORS_AT_ONCE: Final = 16_384  # whose vectors are asked for and written together: bounds the memory


class Vectors(Protocol):
    """[n, dim] float32, unit norm: an array, or what computes its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice | NDArray[np.int64], /) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class EmbeddingTable:
    """One trained version, ready to be written.

    Attributes:
        item: [items] int64 or str, the shop's keys.
        vector: [items, dim] float32, unit norm: the parts side by side.
        popularity: [items] float32 ≥ 0, decayed count of buyers; orders the popular list.
        statistics: [items, len(STATISTICS)] float32, see dataset/item_statistics.py.
        links: [items] bytes, what leads on from each item (dataset/link_packing.py); row r is item r - 1 of `item`.
        is_cold: [items] bool, no event in training: collaborative parts predicted from content.
        parts: the slices of `vector`.
        visitor: [visitors] int64, `Visitor.pk`.
        visitor_vector: [visitors, dim]: the visitor encoder's output on each history.
        pair_item, pair_other: [pairs] keys: `other` is often bought with `item`, best first within an item.
        pair_score: [pairs] float32, 0..1. pair_support: [pairs] int32, different visitors who bought both.
        artifacts: name → bytes. "visitor_encoder.onnx" (see encoders/visitor_onnx.py), "encoders.safetensors" (see
            encoders/warm.py), "item_encoder.npz" (see dataset/item_encoder.py), "ease_links.npz" (see
            dataset/ease_links.py), "cold_items.npz" (see dataset/cold_items.py), "item_map.json" (see
            encoders/item_map.py).
        ranker: JSON-ready parameters of the ranker (see dataset/ranking_features.py).
        losses: one {"stage", "epoch", "loss"} per epoch, for the curve in admin.
        events_until: seconds since 1970 UTC, the moment of popularity and statistics; None where they have none.
        cold: why the training began anew; None where it went on from another version.
    """

    item: NDArray[np.generic]
    vector: NDArray[np.float32]
    popularity: NDArray[np.float32]
    statistics: NDArray[np.float32]
    links: Sequence[bytes]
    is_cold: NDArray[np.bool_]
    parts: tuple[Part, ...]
    visitor: NDArray[np.int64]
    visitor_vector: Vectors
    pair_item: NDArray[np.generic]
    pair_other: NDArray[np.generic]
    pair_score: NDArray[np.float32]
    pair_support: NDArray[np.int32]
    artifacts: dict[str, bytes]
    ranker: dict[str, object] = field(default_factory=dict)
    losses: list[dict[str, object]] = field(default_factory=list)
    events_until: int | None = None
    cold: Cold | None = None
