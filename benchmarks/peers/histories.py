"""Histories as sparse matrices: what counting models are made of."""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.task import Ints, Log

Floats = NDArray[np.float32]
EVENT: Final = "event"
BASKET: Final = "basket"
DAY: Final = 86_400  # seconds
ROW_PRODUCTS: Final = 20_000_000  # multiplications of one chunk in `nearest_items`


def steps(log: Log, unit: str) -> Ints:
    """[events] numbers of steps, ascending over the log; by BASKET a visitor's events of one time are one step."""
    if unit == EVENT:
        return np.arange(len(log), dtype=np.int64)
    new = np.ones(len(log), dtype=bool)
    new[1:] = (log.visitor[1:] != log.visitor[:-1]) | (log.at[1:] != log.at[:-1])
    return np.asarray(np.cumsum(new) - 1)


def steps_from_end(log: Log, unit: str) -> Ints:
    """[events] how many steps the visitor made after this one; 0 for the last."""
    step = steps(log, unit)
    last = np.zeros(log.visitors, dtype=np.int64)
    last[log.visitor] = step
    return np.asarray(last[log.visitor] - step)


def units(log: Log) -> tuple[str, ...]:
    """The units that differ on this log."""
    return (EVENT, BASKET) if steps(log, BASKET).max(initial=-1) < len(log) - 1 else (EVENT,)


def matrix(log: Log, weight: NDArray[Any]) -> sp.csr_matrix:
    """[visitors, items] CSR float32, the sum of the weights of each pair's events; zeros left out."""
    kept = weight > 0
    cells = (weight[kept].astype(np.float32), (log.visitor[kept], log.item[kept]))
    return sp.csr_matrix(cells, shape=(log.visitors, log.items))


def events_of_pairs(log: Log) -> sp.csr_matrix:
    """[visitors, items] CSR float32, how many events the pair has."""
    return matrix(log, np.ones(len(log)))


def taken(log: Log) -> sp.csr_matrix:
    """[visitors, items] CSR of 1.0 where the visitor took the item."""
    found = events_of_pairs(log)
    found.data[:] = 1.0
    return found


def recent(log: Log, decay: float, last: int, unit: str) -> sp.csr_matrix:
    """[visitors, items] CSR of decay ** (steps from the end) over the `last` steps."""
    back = steps_from_end(log, unit)
    return matrix(log, np.where(back < last, np.power(decay, np.minimum(back, last)), 0.0))


def popularity(log: Log, since: int | None = None) -> Floats:
    """[items] how many visitors took the item, from `since` on."""
    kept = log if since is None else log.where(log.at >= since, log.now)
    return np.asarray(taken(kept).sum(axis=0), dtype=np.float32).ravel()


def nearest_items(left: sp.csr_matrix, right: sp.csr_matrix, most: int, *, with_self: bool = False) -> sp.csr_matrix:
    """The product left @ right with the `most` largest of each row, its diagonal only `with_self`."""
    cost = np.cumsum(np.maximum((left != 0) @ np.diff(right.indptr), 1))  # multiplications up to each row
    edges = np.searchsorted(cost, np.arange(ROW_PRODUCTS, cost[-1] + ROW_PRODUCTS, ROW_PRODUCTS)) + 1
    chunks, start = [], 0
    for stop in np.unique(np.minimum(edges, left.shape[0])):
        product = (left[start:stop] @ right).tocoo()
        kept = with_self | (product.col != product.row + start)
        cells = (product.data[kept], (product.row[kept], product.col[kept]))
        chunks.append(keep_largest(sp.csr_matrix(cells, shape=product.shape), most))
        start = stop
    return sp.vstack(chunks, format="csr")


def keep_largest(table: sp.csr_matrix, most: int) -> sp.csr_matrix:
    """The table with the `most` largest positive values of each row."""
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    order = np.lexsort((-table.data, row))
    place = np.arange(len(order)) - np.repeat(table.indptr[:-1], np.diff(table.indptr))
    kept = order[(place < most) & (table.data[order] > 0)]
    return sp.csr_matrix((table.data[kept], (row[kept], table.indices[kept])), shape=table.shape)
