"""EASE's links as a web process keeps them: they are among some thousand items only, so that a request can follow all
that a visitor ever took. A file of the version; numpy only, never a pickle."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.dataset.array_files import pack_arrays, unpack_arrays

NAME: Final = "ease_links.npz"
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EaseLinks:
    """The items that have such links, numbered by place.

    Attributes:
        place: the shop's key → place. row: [items] ascending item rows of the version.
        offsets: [items + 1] item p leads to others[offsets[p]:offsets[p + 1]]. others: [links] places.
        strengths: [links] as in `links`.
    """

    place: Mapping[Any, int]
    row: Ints
    offsets: Ints
    others: Ints
    strengths: Floats

    def added_up(self, items: Iterable[Any]) -> tuple[Ints, Floats]:
        """(item rows [n] ascending, [n] sum of the links that lead there from these different items)."""
        places = np.array([self.place[item] for item in items if item in self.place], dtype=np.int64)
        counts = self.offsets[places + 1] - self.offsets[places]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        links = np.repeat(self.offsets[places], counts) + within
        sums = np.bincount(self.others[links], weights=self.strengths[links], minlength=len(self.row))
        led = np.flatnonzero(sums)
        return self.row[led], sums[led].astype(np.float32)


def pack_ease(keys: NDArray[np.generic], indptr: NDArray[Any], others: NDArray[Any], strengths: Floats) -> bytes:
    """The file NAME.

    Args:
        keys: [item rows - 1] the shop's, of row 1 on. indptr, others, strengths: the relation as CSR over item rows.
    """
    counts = np.diff(indptr)
    row = np.union1d(np.flatnonzero(counts), others)
    arrays = {
        "item": keys[row - 1],
        "row": row.astype(np.int32),
        "count": counts[row].astype(np.int32),
        "other": np.searchsorted(row, others).astype(np.int32),
        "strength": strengths.astype(np.float16),
    }
    return pack_arrays(arrays)


def unpack_ease(content: bytes, shop_keys: Callable[[NDArray[np.generic]], list[Any]]) -> EaseLinks:
    """What `pack_ease` wrote; `shop_keys` gives keys their own type.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is no such file.
    """
    arrays = unpack_arrays(content)
    return EaseLinks(
        {key: place for place, key in enumerate(shop_keys(arrays["item"]))},
        arrays["row"].astype(np.int64),
        np.append(0, np.cumsum(arrays["count"], dtype=np.int64)),
        arrays["other"].astype(np.int64),
        arrays["strength"].astype(np.float32),
    )
