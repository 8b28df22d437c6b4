"""The same comparison by who was asked and what was to be found: where a version is good, and where it is not."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.evaluation.judge import LISTED, Ranked, mean, split_by_taken, standard_error
from recommender.evaluation.metrics import hits, ndcg, recall

Floats = NDArray[np.float32]
# How many different items the visitor had taken: from, below.
VISITORS: Final = {"new_visitors": (0, 5), "light_visitors": (5, 20), "heavy_visitors": (20, math.inf)}
HISTORIES: Final = (1, 2, 5, 10, 20, 50)  # the first length of each class
HEAD_SHARE: Final = 0.5  # the most taken items that hold this share of all that was taken
BINS: Final = 10


def by_segment(ranked: Mapping[str, Ranked], relevant: sp.csr_matrix, before: sp.csr_matrix) -> dict[str, Any]:
    """segment → {"visitors": with something to find, "ndcg@10" and "recall@20": {ranker: mean}, "error": of our NDCG}.

    Args:
        ranked: ranker name → its lists; "ours" among them. relevant: [n, item rows] what each did next.
        before: [n, item rows] what each took before.
    """
    found = {}
    for segment, truth, is_new in _segments(relevant, before):
        count = np.diff(truth.indptr)
        hit = {name: hits(lists.new if is_new else lists.every, truth) for name, lists in ranked.items()}
        quality = {name: ndcg(each[:, :10], count) for name, each in hit.items()}
        found[segment] = {
            "visitors": int((count > 0).sum()),
            "ndcg@10": {name: mean(values) for name, values in quality.items()},
            "recall@20": {name: mean(recall(each, count)) for name, each in hit.items()},
            "error": standard_error(quality["ours"]),
        }
    return found


def _segments(relevant: sp.csr_matrix, before: sp.csr_matrix) -> Iterator[tuple[str, sp.csr_matrix, bool]]:
    """(segment, what counts as right, whether only items new to the visitor are ranked)."""
    length = np.diff(before.indptr)
    for segment, (low, high) in VISITORS.items():
        yield segment, _only(relevant, rows=(length >= low) & (length < high)), False
    head = head_items(before)
    yield "head_items", _only(relevant, columns=head), False
    yield "tail_items", _only(relevant, columns=~head), False
    repeat, new = split_by_taken(relevant, before)
    yield "repeat", repeat, False
    yield "explore", new, True


def head_items(before: sp.csr_matrix) -> NDArray[np.bool_]:
    """[item rows] the fewest items that hold `HEAD_SHARE` of all that these visitors took."""
    counts = np.bincount(before.indices, minlength=before.shape[1])
    order = np.argsort(-counts, kind="stable")
    held = np.cumsum(counts[order])
    head = np.zeros(len(counts), dtype=bool)
    head[order[: int(np.searchsorted(held, HEAD_SHARE * held[-1])) + 1]] = True
    return head & (counts > 0)


def _only(
    matrix: sp.csr_matrix, rows: NDArray[np.bool_] | None = None, columns: NDArray[np.bool_] | None = None
) -> sp.csr_matrix:
    coo = matrix.tocoo()
    keep = (rows[coo.row] if rows is not None else True) & (columns[coo.col] if columns is not None else True)
    return sp.csr_matrix((coo.data[keep], (coo.row[keep], coo.col[keep])), shape=matrix.shape)


def calibration(ranked: Ranked, relevant: sp.csr_matrix) -> list[dict[str, float]]:
    """Does an item get the share of the next purchase that its score promises? One row a tenth of all slots.

    Returns:
        {"predicted", "observed": mean share of what the visitor took next, "error": standard error, "n": slots},
        the least promising first; [] where nobody had anything to find.
    """
    predicted, observed = _shares(ranked, relevant)
    order = np.argsort(predicted, axis=None, kind="stable")
    bins = [chosen for chosen in np.array_split(order, BINS) if len(chosen)]
    flat, taken = predicted.ravel(), observed.ravel()
    return [
        {
            "predicted": float(flat[chosen].mean()),
            "observed": float(taken[chosen].mean()),
            "error": standard_error(taken[chosen]),
            "n": len(chosen),
        }
        for chosen in bins
    ]


def by_history(ranked: Ranked, relevant: sp.csr_matrix, before: sp.csr_matrix) -> list[dict[str, float | None]]:
    """How far a list can be relied on, by how many different items the visitor had taken.

    Returns:
        {"from", "to": lengths (None: open), "visitors", "predicted", "observed": share of the next purchase in the
        first ten, "ndcg@10", "error": of that}; classes without visitors are left out.
    """
    count, length = np.diff(relevant.indptr), np.diff(before.indptr)
    quality = ndcg(hits(ranked.every, relevant)[:, :10], count)
    rows: list[dict[str, float | None]] = []
    for low, after in zip(HISTORIES, (*HISTORIES[1:], None), strict=True):
        inside = (length >= low) & (length < (after or math.inf)) & (count > 0)
        if not inside.any():
            continue
        predicted, observed = _shares(_rows(ranked, inside), relevant[np.flatnonzero(inside)])
        rows.append(
            {
                "from": low,
                "to": after - 1 if after else None,
                "visitors": int(inside.sum()),
                "predicted": float(predicted[:, :10].sum(axis=1).mean()),
                "observed": float(observed[:, :10].sum(axis=1).mean()),
                "ndcg@10": mean(quality[inside]),
                "error": standard_error(quality[inside]),
            }
        )
    return rows


def _rows(ranked: Ranked, chosen: NDArray[np.bool_]) -> Ranked:
    return Ranked(ranked.every[chosen], ranked.new[chosen], ranked.chance[chosen])


def _shares(ranked: Ranked, relevant: sp.csr_matrix) -> tuple[Floats, Floats]:
    """[visitors with something to find, slots] share of what was taken next: as predicted, as it came."""
    count = np.diff(relevant.indptr)
    asked = count > 0
    observed = hits(ranked.every, relevant)[asked] / np.maximum(count[asked], 1)[:, None]
    return ranked.chance[asked][:, :LISTED], observed.astype(np.float32)
