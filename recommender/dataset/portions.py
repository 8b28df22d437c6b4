"""Work cut into portions, so that the memory it takes does not grow with the shop."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def portions(sizes: NDArray[np.integer], most: int) -> Iterator[slice]:
    """Slices of neighbours whose sizes sum up to about `most`, all of `sizes` in order; a larger one stands alone.

    Args:
        sizes: [n] ≥ 0.
    """
    end = np.cumsum(sizes, dtype=np.int64)
    start = 0
    while start < len(sizes):
        before = int(end[start - 1]) if start else 0
        stop = max(int(np.searchsorted(end, before + most, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
