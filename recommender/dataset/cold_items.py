"""Items that nobody has taken yet, as candidates: what is learned from events seldom leads to them.

A web process keeps the newest of them, so that a request chooses among them without a statement of its own. A file of
the version; numpy only, never a pickle.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.dataset.array_files import pack_arrays, unpack_arrays
from recommender.dataset.ranking_features import COLD_CANDIDATES, COLD_ITEMS, STATISTICS

NAME: Final = "cold_items.npz"
TAKEN: Final = STATISTICS.index("taken")
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ColdItems:
    """rows: [items] item rows of the version. vectors: [items, dim] as stored."""

    rows: Ints
    vectors: Floats

    @classmethod
    def of(
        cls, statistics: Floats, vectors: Floats, now: int, added_at: NDArray[np.float64] | None = None
    ) -> "ColdItems":
        """The newest COLD_ITEMS of those that nobody has taken.

        Args:
            statistics, vectors: by item row, of which 0 is padding.
            now: seconds since 1970 UTC; what came later is not there yet.
            added_at: [items] as in `ItemTable`; without it, or where it is unknown, a higher key is newer.
        """
        rows = np.flatnonzero(statistics[1:, TAKEN] == 0) + 1
        if added_at is not None:
            came = np.nan_to_num(added_at[rows - 1], nan=-np.inf)
            rows = rows[np.argsort(came, kind="stable")][: int((came <= now).sum())]
        rows = np.sort(rows[-COLD_ITEMS:])
        return cls(rows, vectors[rows])

    def nearest(self, vector: Floats) -> Ints:
        """Rows of the COLD_CANDIDATES with the highest cosine to a visitor's `vector` [dim], in no order."""
        if len(self.rows) <= COLD_CANDIDATES:
            return self.rows
        return self.rows[np.argpartition(-(self.vectors @ vector), COLD_CANDIDATES - 1)[:COLD_CANDIDATES]]


def pack_cold(items: ColdItems) -> bytes:
    """The file NAME."""
    return pack_arrays({"row": items.rows.astype(np.int32), "vector": items.vectors.astype(np.float16)})


def unpack_cold(content: bytes) -> ColdItems:
    """What `pack_cold` wrote.

    Raises:
        ValueError, KeyError, OSError, zipfile.BadZipFile: it is no such file.
    """
    arrays = unpack_arrays(content)
    return ColdItems(arrays["row"].astype(np.int64), arrays["vector"].astype(np.float32))
