"""Lists against the truth: metrics over all asked visitors, by history length, by popularity of what was right."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import CUT_OFF, Floats, Lists, counts, hit_rate, hits, ndcg, recall, reciprocal_rank
from benchmarks.splits import Truth
from benchmarks.task import Ints, Log, Pairs, Task

LENGTHS: Final = {"1-3": (1, 3), "4-10": (4, 10), "11-50": (11, 50), ">50": (51, np.inf)}  # events of a visitor
HEAD_SHARE: Final = 0.1  # of the items with events: the most popular are head, the others tail
RESAMPLES: Final = 2_000
RESAMPLES_AT_ONCE: Final = 50

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """One model on one question.

    Attributes:
        ndcg: [asked] NDCG@10, NaN for visitors with nothing to find.
        cold: [asked] Recall@20 of right items without an event in train, NaN for visitors without any.
        metrics: for the report.
    """

    ndcg: Floats
    cold: Floats
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Ratio:
    """Ours over the best peer, with the interval that holds 95 % of bootstrap samples of visitors."""

    peer: str
    ratio: float
    low: float
    high: float
    visitors: int


def judge(task: Task, truth: Truth, question: str, lists: Lists) -> Answer:
    """All metrics of [asked, n] lists.

    Raises:
        ValueError: lists of another shape, or with an item that is twice in a list or does not exist.
    """
    if lists.shape != (len(task.asked), task.n):
        raise ValueError(f"Lists are {lists.shape}, expected [asked, n] = {(len(task.asked), task.n)}.")
    right = truth.right[question]
    hit, count = hits(lists, task.asked, right, task.items), counts(task.asked, right)
    ranked = ndcg(hit, count)
    popularity = item_popularity(task.train)
    found = right_by_popularity(popularity, right)
    cold = right_of(right, found["cold"])
    cold_recall = recall(hits(lists, task.asked, cold, task.items), counts(task.asked, cold), 20)
    metrics: dict[str, Any] = {
        "visitors": int((count > 0).sum()),
        "ndcg@10": mean(ranked),
        "recall@10": mean(recall(hit, count, 10)),
        "recall@20": mean(recall(hit, count, 20)),
        "mrr": mean(reciprocal_rank(hit, count)),
        "hit_rate@10": mean(hit_rate(hit, count)),
        **shown(lists, popularity, task.visitors),
        "ndcg@10_by_history": {
            name: {"visitors": int((mask & (count > 0)).sum()), "ndcg@10": mean(ranked[mask])}
            for name, mask in by_history(task, truth).items()
        },
        "recall@20_by_popularity": {
            name: _share_found(lists, task, right_of(right, mask)) for name, mask in found.items()
        },
        "random_cold@20": random_cold(lists, task, cold),
    }
    return Answer(ranked, cold_recall, metrics)


def item_popularity(log: Log) -> Ints:
    """[items] how many visitors took the item."""
    pairs = np.unique(log.visitor * log.items + log.item)
    return np.bincount(pairs % log.items, minlength=log.items)


def right_by_popularity(popularity: Ints, right: Pairs) -> dict[str, Mask]:
    """[pairs] which are cold (no event in train), tail, head (the tenth of the items with the most visitors).

    unknown: none of the task's items, so that no model can find it; only where there are any.
    """
    known = popularity[popularity > 0]
    edge = np.quantile(known, 1.0 - HEAD_SHARE) if len(known) else 0
    is_unknown = right.item >= len(popularity)
    of_pair = np.where(is_unknown, -1, popularity[np.where(is_unknown, 0, right.item)])
    groups = {"cold": of_pair == 0, "tail": (of_pair > 0) & (of_pair <= edge), "head": of_pair > edge}
    return groups | ({"unknown": is_unknown} if is_unknown.any() else {})


def right_of(right: Pairs, mask: Mask) -> Pairs:
    return Pairs(right.visitor[mask], right.item[mask])


def by_history(task: Task, truth: Truth) -> dict[str, Mask]:
    """[asked] masks by number of events in train; where last items may tie in time, tied and untied visitors too."""
    length = np.diff(task.train.offsets)[task.asked]
    masks = {name: (length >= low) & (length <= high) for name, (low, high) in LENGTHS.items()}
    if truth.tied is not None and task.has_time:
        tied = np.isin(task.asked, truth.tied)
        masks |= {"tied": tied, "untied": ~tied}
    return masks


def shown(lists: Lists, popularity: Ints, visitors: int) -> dict[str, float]:
    """Of the first ten: share of the catalogue, mean visitors of an item, novelty in bits (−log2 of their share)."""
    first = lists[:, :CUT_OFF]
    items = first[first >= 0]
    share = (popularity[items] + 1) / (visitors + 1)
    return {
        "coverage@10": round(len(np.unique(items)) / max(len(popularity), 1), 5),
        "mean_popularity": round(float(popularity[items].mean()), 2) if len(items) else 0.0,
        "novelty_bits": round(float(-np.log2(share).mean()), 3) if len(items) else 0.0,
    }


def random_cold(lists: Lists, task: Task, right: Pairs) -> float:
    """Expected share of the cold `right` that random cold items would find in the slots where `lists` have cold ones.

    What is left of a cold Recall@20 above it is knowledge of the items; the rest is how many slots they get: cold items
    that are to be sold soon are a small part of a catalogue that was written down after the held-out events.
    """
    is_cold = item_popularity(task.train) == 0
    slots = (is_cold[lists[:, :20]] & (lists[:, :20] >= 0)).sum(axis=1)
    expected = (slots * counts(task.asked, right)).sum() / max(is_cold.sum(), 1)
    return round(float(expected) / len(right), 6) if len(right) else 0.0


def mean(values: Floats) -> float:
    """Over the visitors that had something to find; 0 where none had."""
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 6) if len(known) else 0.0


def _share_found(lists: Lists, task: Task, right: Pairs) -> dict[str, float]:
    """Pooled over the pairs: how many there are, and which share is among the first 20."""
    hit = hits(lists[:, :20], task.asked, right, task.items).sum()
    return {"pairs": len(right), "recall@20": round(float(hit) / len(right), 6) if len(right) else 0.0}


def bootstrap_ratio(ours: Floats, peers: dict[str, Floats], seed: int = 0) -> Ratio | None:
    """Mean of ours over that of the best peer on the same [n] visitors; None where there is nothing to compare.

    The peer with the best mean is fixed before resampling.
    """
    known = ~np.isnan(ours)
    means = {name: float(values[known].mean()) for name, values in peers.items()} if known.any() else {}
    if not means or max(means.values()) <= 0:
        return None
    best = max(means, key=lambda name: means[name])
    a, b = ours[known], peers[best][known]
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(0, RESAMPLES, RESAMPLES_AT_ONCE):
        drawn = rng.integers(0, len(a), (RESAMPLES_AT_ONCE, len(a)))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(a[drawn].mean(axis=1) / b[drawn].mean(axis=1))
    low, high = np.nanpercentile(np.concatenate(ratios), (2.5, 97.5))
    return Ratio(best, round(float(a.mean() / b.mean()), 4), round(float(low), 4), round(float(high), 4), len(a))
