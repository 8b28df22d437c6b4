"""Work cut into portions, so that the memory it takes does not grow with the shop."""

from collections.abc import Iterable, Iterator

import numpy as np
import scipy.sparse as sp
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


def stacked(blocks: Iterable[sp.csr_matrix], most: int, shape: tuple[int, int]) -> sp.csr_matrix:
    """float32 CSR of the blocks below each other. `scipy.sparse.vstack` holds all of them twice.

    Args:
        most: entries a row at most.
    """
    values, columns = np.empty(shape[0] * most, np.float32), np.empty(shape[0] * most, np.int32)
    counts, end = [np.zeros(1, np.int64)], 0
    for block in blocks:
        begin, end = end, end + block.nnz
        values[begin:end], columns[begin:end] = block.data, block.indices
        counts.append(np.diff(block.indptr))
    return sp.csr_matrix((values[:end], columns[:end], np.cumsum(np.concatenate(counts))), shape=shape)
