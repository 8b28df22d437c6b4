"""What the ranker sees of a candidate. One definition for training, judging and serving, so that they cannot differ.

A row holds how alike visitor and item are (by the fused vector and by each part), how the visitor's newest items, and
all that it ever took, lead to it (`links`), what is known of the item, what the visitor did with it before, what kind
of visitor asks, and how early such a visitor comes to new items.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.capture.tables import PURCHASE
from recommender.dataset.distinct import distinct
from recommender.dataset.networks import Network

NEVER_DAYS: Final = 400.0  # stands for "not yet"
LONG_DECAY_DAYS: Final = 120.0  # own purchases decayed so are the strongest single signal where people rebuy
PURCHASE_DECAYS: Final = (7.0, 21.0, 60.0, LONG_DECAY_DAYS, 400.0)  # days
INTEREST_DECAYS: Final = (0.1, 2.0, 14.0)  # days, of views, clicks and carts
USUAL_WEIGHT: Final = 3.0  # repeats that an item's usual interval counts beside a visitor's own

RELATIONS: Final = ("follow", "ease", "content")  # of `links`
PARTS: Final = ("sequence", "graph", "content")
LINKED_ITEMS: Final = 40  # newest events of a visitor whose items' links are followed
LINKED: Final = 30  # candidates of each relation and window
OWN_ITEMS: Final = 150  # candidates that the visitor took before
COLD_CANDIDATES: Final = 40  # that nobody has taken yet
COLD_ITEMS: Final = 500  # the newest of a catalogue that they are chosen from
WINDOWS: Final = ("now", "lately")

SIMILARITIES: Final = ("similarity", *(f"{part}_similarity" for part in PARTS))
LINKS: Final = (*(f"{relation}_{window}" for relation in RELATIONS for window in WINDOWS), "ease_ever")
STATISTICS: Final = ("taken_7", "taken_30", "taken_90", "taken", "age", "idle", "repeat_share", "usual_days", "price")
OWN: Final = (
    *(f"own_{days:g}" for days in PURCHASE_DECAYS),
    *(f"interest_{days:g}" for days in INTEREST_DECAYS),
    "own_count",
    "own_last",
    "own_interval",
    "is_repeat",
    "is_known",
)
VISITOR: Final = ("visitor_baskets", "visitor_idle", "visitor_items")
ADOPTION: Final = ("adoption_age", "adoption_age_lately")
LATELY_DAYS: Final = 60.0  # before the newest of them
FEATURES: Final = (
    *SIMILARITIES,
    *LINKS,
    *(f"{name}_share" for name in LINKS),
    *STATISTICS,
    *OWN,
    "own_share",
    "overdue",
    "habit",
    *VISITOR,
    *ADOPTION,
)
HABIT_INPUTS: Final = (*STATISTICS, *OWN, "own_share", "overdue", *VISITOR)
# What a feature is about, for whoever asks why.
GROUPS: Final = {
    "taste": SIMILARITIES,
    "together": tuple(name for link in LINKS if not link.startswith("content") for name in (link, f"{link}_share")),
    "words": tuple(name for link in LINKS if link.startswith("content") for name in (link, f"{link}_share")),
    "popularity": tuple(name for name in STATISTICS if name.startswith("taken")),
    "item": tuple(name for name in STATISTICS if not name.startswith("taken")),
    "own": (*OWN, "own_share", "overdue", "habit"),
    "visitor": (*VISITOR, *ADOPTION),
}
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def link_weights(basket_back: Ints, item_back: Ints) -> Floats:
    """[items, windows] how much the links of a visitor's newest items count.

    Args:
        basket_back, item_back: [items] baskets and different items since the visitor last took the item, 0 the newest.
    """
    now = np.where(basket_back < 5, 0.6 ** basket_back.astype(np.float64), 0.0)
    return np.stack([now, 0.95 ** item_back.astype(np.float64)], axis=1).astype(np.float32)


def own_facts(group: Ints, groups: int, kind: NDArray[np.integer[Any]], age_days: Floats) -> Floats:
    """[groups, len(OWN)] what a visitor did with an item.

    Args:
        group: [events] number of each event's visitor–item pair. kind, age_days: [events].
    """
    bought = kind == PURCHASE
    columns: list[NDArray[Any]] = [_decayed(group[bought], groups, age_days[bought], days) for days in PURCHASE_DECAYS]
    columns += [_decayed(group[~bought], groups, age_days[~bought], days) for days in INTEREST_DECAYS]
    day = np.floor(age_days[bought]).astype(np.int64)
    days = int(day.max(initial=0)) + 1
    count = np.bincount(distinct(group[bought] * days + day) // days, minlength=groups)  # a day counts once
    last, first = np.full(groups, NEVER_DAYS), np.zeros(groups)
    np.minimum.at(last, group[bought], age_days[bought])
    np.maximum.at(first, group[bought], age_days[bought])
    interval = np.where(count > 1, (first - last) / np.maximum(count - 1, 1), 0.0)
    known = np.bincount(group, minlength=groups) > 0
    columns += [np.log1p(count), np.log1p(last), np.log1p(np.maximum(interval, 0.0)), count > 0, known]
    return np.stack(columns, axis=1).astype(np.float32)


def strongest_own(own: Floats) -> Ints:
    """Places of the OWN_ITEMS items that a visitor took most and latest, ascending; `own`: [items, len(OWN)]."""
    if len(own) <= OWN_ITEMS:
        return np.arange(len(own))
    taken = own[:, OWN.index(f"own_{LONG_DECAY_DAYS:g}")] + own[:, OWN.index(f"interest_{INTEREST_DECAYS[-1]:g}")]
    return np.sort(np.argsort(-taken, kind="stable")[:OWN_ITEMS])


def nothing_owned(rows: int) -> Floats:
    """[rows, len(OWN)] of items that the visitor never touched."""
    empty = own_facts(np.zeros(0, np.int64), 1, np.zeros(0, np.int64), np.zeros(0, np.float32))
    return np.repeat(empty, rows, axis=0)


def _decayed(group: Ints, groups: int, age_days: Floats, days: float) -> Floats:
    return np.log1p(np.bincount(group, weights=np.exp(-age_days / days), minlength=groups)).astype(np.float32)


def visitor_facts(baskets: Any, idle_days: Any, items: Any) -> Floats:
    """[..., len(VISITOR)] from how often, how long ago and how many different items a visitor took."""
    return np.asarray(np.log1p(np.stack([baskets, idle_days, items], axis=-1)), dtype=np.float32)


def adoption_ages(owner: Ints, visitors: int, item_age: Floats, idle_days: Floats) -> Floats:
    """[visitors, len(ADOPTION)] how many days old, as log(1 + x), items were when a visitor took them; 0 of none.

    Early adopters take what has just come, most others never do: of visitors of Amazon Beauty, who will take an item
    that nobody had taken before is told by this with an AUC of .85.

    Args:
        owner: [events] number of the visitor, for the LINKED_ITEMS newest events of each.
        item_age: [events] days from the item's first event to this one. idle_days: [events] days since this one.
    """
    newest = np.full(visitors, np.inf)
    np.minimum.at(newest, owner, idle_days)
    lately = np.exp(-(idle_days - newest[owner]) / LATELY_DAYS)
    ages = np.log1p(np.maximum(item_age, 0.0))
    columns = [_weighted_mean(owner, visitors, ages, weight) for weight in (np.ones(len(owner)), lately)]
    return np.stack(columns, axis=1).astype(np.float32)


def _weighted_mean(owner: Ints, owners: int, values: Floats, weight: NDArray[Any]) -> NDArray[np.float64]:
    total = np.bincount(owner, weights=weight, minlength=owners)
    return np.bincount(owner, weights=weight * values, minlength=owners) / np.where(total > 0, total, 1.0)


def ranking_features(
    similarity: Floats,
    links: Floats,
    statistics: Floats,
    own: Floats,
    visitor: Floats,
    adoption: Floats,
    ranker: Mapping[str, Any],
) -> Floats:
    """[n, len(FEATURES)] float32 of n candidates of one visitor.

    Args:
        similarity: [n, len(SIMILARITIES)] cosines of visitor and item, by the fused vector and by each part.
        links: [n, len(LINKS)] sum of the links from the visitor's newest items, weighted by `link_weights`.
        statistics: [n, len(STATISTICS)] from `item_statistics`. own: [n, len(OWN)] from `own_facts`.
        visitor: [len(VISITOR)] from `visitor_facts`. adoption: [len(ADOPTION)] from `adoption_ages`.
        ranker: the version's, whose "habits" see statistics, own and visitor.
    """
    inputs = habit_inputs(statistics, own, visitor)
    columns = [
        similarity,
        link_features(links, links.max(axis=0, initial=0.0)),
        inputs[:, : -len(VISITOR)],
        habit(inputs, ranker.get("habits", {}))[:, None],
        inputs[:, -len(VISITOR) :],
        np.broadcast_to(adoption, (len(own), len(ADOPTION))),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)  # [n, features]


def habit_inputs(statistics: Floats, own: Floats, visitor: Floats) -> Floats:
    """[n, len(HABIT_INPUTS)] of n items of one visitor; see `ranking_features`."""
    long = own[:, OWN.index(f"own_{LONG_DECAY_DAYS:g}")]
    columns = [
        statistics,
        own,
        long[:, None] / max(float(long.max(initial=0.0)), 1e-6),
        overdue(own, statistics)[:, None],
        np.broadcast_to(visitor, (len(own), len(VISITOR))),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def habit(inputs: Floats, habits: Mapping[str, Any]) -> Floats:
    """[n] float32 how much speaks for the visitor taking again what it bought before; 0 for what it never bought.

    Args:
        inputs: [n, len(HABIT_INPUTS)]. habits: a network with the "least" that counts; empty where nobody rebuys.
    """
    network = Network.of(habits, inputs.shape[1])
    if network is None:
        return np.zeros(len(inputs), np.float32)
    bought = inputs[:, HABIT_INPUTS.index("is_repeat")] > 0
    found = np.zeros(len(inputs), np.float32)
    found[bought] = np.maximum(network.scores(inputs[bought]) - np.float32(habits["least"]), 0.0)
    return found


def link_features(links: Floats, peak: Floats) -> Floats:
    """[..., 2 × len(LINKS)] of [..., len(LINKS)] strengths: their size, and their share of the visitor's strongest.

    Args:
        peak: [len(LINKS)] the largest strength among all candidates.
    """
    shares = links / np.maximum(peak, 1e-6)
    return np.concatenate([np.log1p(20.0 * links), shares], axis=-1).astype(np.float32)


def overdue(own: Floats, statistics: Floats) -> Floats:
    """[n] log of days since the last purchase over the days after which the visitor, or anybody, usually rebuys."""
    count = np.expm1(own[:, OWN.index("own_count")])
    repeats = np.maximum(count - 1, 0.0)
    usual = statistics[:, STATISTICS.index("usual_days")]
    expected = (repeats * own[:, OWN.index("own_interval")] + USUAL_WEIGHT * usual) / (repeats + USUAL_WEIGHT)
    return np.where(count > 0, own[:, OWN.index("own_last")] - expected, 0.0).astype(np.float32)


def rank_candidates(features: Floats, ranker: Mapping[str, Any]) -> Floats:
    """[n] float32 scores, higher is better: the small network of a version (`ModelVersion.ranker`).

    Args:
        features: [n, features] from `ranking_features`.
        ranker: a `Network` in JSON, with another one, "again", for what was bought before where habits order that;
            empty for a version without a ranker, and of another width from older code: similarity decides.
    """
    network = Network.of(ranker, features.shape[1])
    if network is None:
        return features[:, FEATURES.index("similarity")]
    again = Network.of(ranker.get("again", {}), features.shape[1])
    scores = network.scores(features)
    return scores if again is None else np.where(_bought(features), again.scores(features), scores)


def contributions(features: Floats, ranker: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """([n, features] what each feature adds to the score, [n] what is left): together exactly `rank_candidates`.

    Args: as `rank_candidates`.
    """
    network = Network.of(ranker, features.shape[1])
    again = Network.of(ranker.get("again", {}), features.shape[1])
    if network is not None and again is not None:
        (shares, rest), (of_again, rest_again) = network.contributions(features), again.contributions(features)
        bought = _bought(features)
        return np.where(bought[:, None], of_again, shares), np.where(bought, rest_again, rest)
    if network is not None:
        return network.contributions(features)
    shares = np.zeros_like(features)
    shares[:, FEATURES.index("similarity")] = features[:, FEATURES.index("similarity")]
    return shares, np.zeros(len(features), np.float32)


def _bought(features: Floats) -> NDArray[np.bool_]:
    return np.asarray(features[:, FEATURES.index("is_repeat")] > 0)


def part_similarities(vectors: Floats, visitor: Floats, parts: Sequence[tuple[str, int, int, float]]) -> Floats:
    """[n, len(SIMILARITIES)] cosines: the fused one first, then one a part, 0 for a part that a version lacks.

    Args:
        vectors: [n, dim] fused item vectors. visitor: [dim]. parts: (name, start, stop, weight) of each slice.
    """
    out = np.zeros((len(vectors), len(SIMILARITIES)), dtype=np.float32)
    out[:, 0] = vectors @ visitor
    for name, start, stop, weight in parts:
        if name in PARTS and weight > 0:
            out[:, 1 + PARTS.index(name)] = vectors[:, start:stop] @ visitor[start:stop] / np.float32(weight)
    return out
