"""Which item of a visitor's history carries a score: how much the score would fall without it.

`exact_drops` forgets the item and asks again, encoder and all: 0.4 ms of CPU an item of the history, which the admin
page has. `quick_drops` answers for a whole list at once, for the request. It takes the item out of what the visitor's
vector averages (graph, content), out of the links and out of the item's own past, and keeps the Transformer's part, the
peaks that links are compared with, and the facts about the visitor as they are. A test holds it to the exact one.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommender.dataset.ranking_features import (
    FEATURES,
    LINKS,
    OWN,
    SIMILARITIES,
    Floats,
    link_features,
    nothing_owned,
    part_similarities,
    rank_candidates,
)
from recommender.dataset.text_features import unit_rows
from recommender.index.version_files import ease_links
from recommender.serving.history import History
from recommender.serving.scoring import Scored, score
from recommender.serving.visitor_vector import Pool, VisitorEncoder

MOST_CAUSES: Final = 40  # newest different items that can be a reason, as many as links are followed from
FROM_LINKS: Final = slice(FEATURES.index(LINKS[0]), FEATURES.index(f"{LINKS[-1]}_share") + 1)
FROM_OWN: Final = slice(FEATURES.index(OWN[0]), FEATURES.index("habit") + 1)


@dataclass(frozen=True, slots=True)
class Drops:
    """How much each shown item's score falls without an item of the history.

    Attributes:
        causes: [causes] the shop's keys, newest last. total: [causes, shown].
        by_links: [causes, shown] the part of it that comes from what others took together.
    """

    causes: list[Any]
    total: Floats
    by_links: Floats


def causes_of(history: History) -> list[Any]:
    """The newest different items that a reason can name, newest last."""
    newest_first = dict.fromkeys(history.item[::-1].tolist())
    return list(newest_first)[:MOST_CAUSES][::-1]


def exact_drops(scored: Scored, rows: NDArray[np.int64], encoder: VisitorEncoder) -> Floats:
    """[causes, rows] how much the score of each candidate falls when all events on a cause are forgotten."""
    drops = [scored.scores[rows] - _without(scored, cause, encoder)[rows] for cause in causes_of(scored.history)]
    return np.array(drops, dtype=np.float32).reshape(-1, len(rows))


def _without(scored: Scored, cause: Any, encoder: VisitorEncoder) -> Floats:
    """[n] scores of all candidates for the visitor without this item."""
    history, candidates = scored.history.without(cause), scored.candidates
    vector = encoder.encode(history)
    if vector is None:
        vector = np.zeros_like(scored.vector)
    parts = [(part["name"], part["start"], part["stop"], part["weight"]) for part in scored.version.parts]
    changed = replace(
        candidates,
        similarity=part_similarities(candidates.vectors, vector, parts),
        links=history.linked(ease_links(scored.version)).of(candidates.row),
    )
    without = score(scored.version, history, vector, changed)
    return without.scores - without.said + scored.said  # what the visitor said stays said


def quick_drops(scored: Scored, rows: NDArray[np.int64], pool: Pool | None) -> Drops:
    """The same, nearly, for a request; see above.

    Args:
        rows: [shown] places among the candidates. pool: how the encoder averages; None where the file does not say.
    """
    causes = causes_of(scored.history)
    base = scored.features[rows]  # [shown, features]
    linked = np.repeat(base[None], len(causes), axis=0)  # [causes, shown, features]
    linked[:, :, FROM_LINKS] = _links_without(scored, rows, causes)
    changed = linked.copy()
    if pool is not None and len(scored.history.vectors):
        changed[:, :, : len(SIMILARITIES)] = _similarity_without(scored, rows, causes, pool)
    _forget_own(changed, [scored.candidates.item[row] for row in rows], causes)
    flat = np.concatenate([changed, linked]).reshape(-1, base.shape[1])
    after = rank_candidates(flat, scored.version.ranker).reshape(2, len(causes), len(rows))
    total, by_links = (scored.scores - scored.said)[rows] - after
    return Drops(causes, total, by_links)


def _links_without(scored: Scored, rows: NDArray[np.int64], causes: list[Any]) -> Floats:
    """[causes, shown, 2 × len(LINKS)] the features of links without those of one cause."""
    candidates = scored.candidates
    peak = candidates.links.max(axis=0, initial=0.0)
    left = np.repeat(candidates.links[rows][None], len(causes), axis=0)  # [causes, shown, links]
    items, followed = scored.history.followed
    number = {cause: place for place, cause in enumerate(causes)}
    cause = np.array([number.get(item, -1) for item in items], dtype=np.int64)[followed.owner]  # [links]
    wanted = candidates.row[rows]
    order = np.argsort(wanted)
    place = order[np.minimum(np.searchsorted(wanted, followed.rows, sorter=order), len(rows) - 1)]  # [links]
    leads = (wanted[place] == followed.rows) & (cause >= 0)
    np.subtract.at(left, (cause[leads], place[leads]), followed.strengths[leads])
    return link_features(np.maximum(left, 0.0), peak)


def _similarity_without(scored: Scored, rows: NDArray[np.int64], causes: list[Any], pool: Pool) -> Floats:
    """[causes, shown, len(SIMILARITIES)] cosines without a cause in the parts that average; the others as they are."""
    history, candidates = scored.history, scored.candidates
    out = np.repeat(candidates.similarity[rows][None], len(causes), axis=0)
    items = history.item[history.has_vector]
    number = {cause: place for place, cause in enumerate(causes)}
    owner = np.array([number.get(item, len(causes)) for item in items.tolist()])
    is_own = (owner[None, :] == np.arange(len(causes))[:, None]).astype(np.float32)  # [causes, events]
    counts, session = pool.weights(history.kind[history.has_vector], history.age_seconds[history.has_vector])
    for part in scored.version.parts:
        if part["name"] not in pool.parts or part["weight"] <= 0:
            continue
        columns = slice(part["start"], part["stop"])
        vectors = history.vectors[:, columns]
        taste = (counts @ vectors) - (is_own * counts) @ vectors  # [causes, dim of the part]
        wish = (session @ vectors) - (is_own * session) @ vectors
        visitor = unit_rows(unit_rows(taste) + pool.session_share * unit_rows(wish))
        cosine = visitor @ candidates.vectors[rows, columns].T / np.float32(part["weight"] ** 0.5)  # [causes, shown]
        place = SIMILARITIES.index(f"{part['name']}_similarity")
        out[:, :, 0] += part["weight"] * (cosine - out[:, :, place])
        out[:, :, place] = cosine
    return out


def _forget_own(features: Floats, shown: list[Any], causes: list[Any]) -> None:
    """A cause that is the shown item itself takes its past along."""
    number = {cause: place for place, cause in enumerate(causes)}
    nothing = np.concatenate([nothing_owned(1)[0], np.zeros(3, np.float32)])  # own_share, overdue, habit, too
    for place, item in enumerate(shown):
        if item in number:
            features[number[item], place, FROM_OWN] = nothing
