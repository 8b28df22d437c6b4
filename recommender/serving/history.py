"""A visitor's newest events with the vectors of their items and what those lead to, in one statement."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from recommender.capture.tables import DAY_SECONDS, PURCHASE
from recommender.conf import conf
from recommender.dataset.ease_links import EaseLinks
from recommender.dataset.link_packing import Followed, follow, newest_different
from recommender.dataset.ranking_features import (
    LINKED_ITEMS,
    LONG_DECAY_DAYS,
    STATISTICS,
    Floats,
    adoption_ages,
    own_facts,
    strongest_own,
    visitor_facts,
)
from recommender.index.partitions import unpack_vectors
from recommender.index.planned import fetch
from recommender.models import Feedback, ModelVersion, Visitor
from recommender.serving.candidates import Linked
from recommender.serving.opinions import Opinions

LOOKING_SECONDS: Final = 1_800.0  # as long as the visitor encoder takes views for a wish
SAID: Final = 50  # kind of what was said, plus its value
AGE: Final = f"{4 * STATISTICS.index('age') + 1} FOR 4"  # its bytes among the statistics of an item
LESS, MORE = SAID + Feedback.Value.LESS, SAID + Feedback.Value.MORE

# The newest events that have a vector are counted, so that items younger than the version do not use up the places, and
# no more are looked up. What the visitor said of items comes with them, as kinds of its own; their ages do not matter.
_STATEMENT: Final = """
WITH newest AS MATERIALIZED (
    SELECT id, item_id, kind, at,
        greatest(date_part('epoch', coalesce(%(until)s::timestamptz, now()) - at), 0) AS age_seconds
    FROM recommender_event WHERE visitor_id = %(visitor)s AND at < coalesce(%(until)s::timestamptz, 'infinity')
    ORDER BY at DESC, id DESC LIMIT {events}
), known AS (
    SELECT newest.id, halfvec_send(own.vector) AS vector, own.links, substring(own.statistics FROM {age}) AS age,
        row_number() OVER (ORDER BY at DESC, id DESC) AS place
    FROM newest JOIN recommender_itemembedding AS own
        ON own.version_id = {version} AND own.item_id = newest.item_id
    ORDER BY at DESC, newest.id DESC LIMIT greatest({with_vector}, {with_links})
)
SELECT item_id, kind, age_seconds, vector, links, age FROM (
    SELECT newest.*, CASE WHEN known.place <= {with_vector} THEN known.vector END AS vector,
        CASE WHEN known.place <= {with_links} THEN known.links END AS links,
        CASE WHEN known.place <= {with_links} THEN known.age END AS age
    FROM newest LEFT JOIN known USING (id)
    UNION ALL
    SELECT NULL, said.item_id, {said} + said.value, said.given_at, 0, halfvec_send(own.vector), NULL, NULL
    FROM recommender_feedback AS said
    LEFT JOIN recommender_itemembedding AS own ON own.version_id = {version} AND own.item_id = said.item_id
    WHERE said.visitor_id = %(visitor)s AND said.given_at < coalesce(%(until)s::timestamptz, 'infinity')
) AS joined
ORDER BY at DESC, id DESC
"""


@dataclass(frozen=True)
class History:
    """Events of one visitor, newest last.

    Attributes:
        item: [events] the shop's keys in their own type.
        kind: [events] int8. age_seconds: [events] float64, before now.
        has_vector: [events] bool, true for the events that `vectors` belong to.
        vectors: [has_vector.sum(), dim] float32 of the items, as stored.
        links: [events] bytes of what leads on from the items of the newest events; None for the others.
        item_age: [events] days from the item's first event to this one, of the newest events; NaN for the others.
        opinions: what the visitor said of items, besides.
    """

    item: NDArray[Any]
    kind: NDArray[np.int8]
    age_seconds: NDArray[np.float64]
    has_vector: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    links: list[bytes | None]
    item_age: Floats
    opinions: Opinions = Opinions()

    def __len__(self) -> int:
        return len(self.item)

    @property
    def age_days(self) -> Floats:
        return (self.age_seconds / DAY_SECONDS).astype(np.float32)

    @property
    def is_looking(self) -> bool:
        """Whether the visitor looked at something, or chose it, in the last half hour."""
        return bool(((self.age_seconds < LOOKING_SECONDS) & (self.kind < PURCHASE)).any())

    @property
    def baskets(self) -> NDArray[np.int64]:
        """[events] ascending numbers, the same for events of one moment."""
        return np.cumsum(np.diff(self.age_seconds, prepend=self.age_seconds[:1]) != 0)

    def decayed_purchases(self) -> dict[Any, float]:
        """item key → sum over its purchases of exp(-age / LONG_DECAY_DAYS)."""
        bought = self.kind == PURCHASE
        keys, place = np.unique(self.item[bought], return_inverse=True)
        sums = np.bincount(place, weights=np.exp(-self.age_days[bought] / LONG_DECAY_DAYS), minlength=len(keys))
        return dict(zip(keys.tolist(), sums.tolist(), strict=True))

    @cached_property
    def own(self) -> tuple[list[Any], Floats]:
        """(different item keys, [items, len(OWN)] what the visitor did with each)."""
        keys, group = np.unique(self.item, return_inverse=True)
        return keys.tolist(), own_facts(group, len(keys), self.kind, self.age_days)

    def visitor(self) -> Floats:
        """[len(VISITOR)] what kind of visitor this is."""
        if not len(self):
            return visitor_facts(0, 0, 0)
        return visitor_facts(self.baskets[-1] + 1, self.age_days[-1], len(set(self.item.tolist())))

    def adoption(self) -> Floats:
        """[len(ADOPTION)] how early the visitor comes to new items."""
        known = np.isfinite(self.item_age)
        nobody_else = np.zeros(known.sum(), np.int64)
        ages: Floats = adoption_ages(nobody_else, 1, self.item_age[known], self.age_days[known])[0]
        return ages

    def strongest_own(self) -> list[Any]:
        """Keys of the items that the visitor took most and latest: those that may be offered again."""
        keys, facts = self.own
        return [keys[place] for place in strongest_own(facts).tolist()]

    @cached_property
    def followed(self) -> tuple[list[Any], Followed]:
        """(the newest items whose links are followed, those links)."""
        known = [place for place, packed in enumerate(self.links) if packed is not None]
        newest, weights = newest_different(self.item[known].tolist(), self.baskets[known])
        places = [known[place] for place in newest]
        return self.item[places].tolist(), follow([self.links[place] or b"" for place in places], weights)

    def linked(self, ease: EaseLinks | None = None) -> Linked:
        """Where the newest items lead, and by EASE all of them; without `ease` the newest stand for all."""
        _items, followed = self.followed
        return Linked(*followed.added_up(), None if ease is None else ease.added_up(self.own[0]))

    def without(self, item: Any) -> "History":
        """As if the visitor had never met this item."""
        kept = self.item != item
        return History(
            self.item[kept],
            self.kind[kept],
            self.age_seconds[kept],
            self.has_vector[kept],
            self.vectors[kept[self.has_vector]],
            [links for links, is_kept in zip(self.links, kept.tolist(), strict=True) if is_kept],
            self.item_age[kept],
            self.opinions,
        )


def read_history(
    visitor: Visitor, version: ModelVersion | None = None, with_vector: int = 0, until: datetime | None = None
) -> History:
    """The newest HISTORY_EVENTS events; the newest `with_vector` of those whose item is in `version` have vectors.

    Args:
        until: as it was then; None: as it is now.
    """
    statement = _STATEMENT.format(
        events=int(conf.HISTORY_EVENTS),
        version="NULL" if version is None else int(version.pk),
        with_vector=with_vector,
        with_links=LINKED_ITEMS if with_vector else 0,
        said=SAID,
        age=AGE,
    )
    found = fetch(statement, {"visitor": visitor.pk, "until": until})[::-1]
    rows = [row for row in found if row[1] < LESS]
    packed = [row[3] for row in rows if row[3] is not None]
    items = np.empty(len(rows), dtype=object)
    items[:] = [row[0] for row in rows]
    return History(
        item=items,
        kind=np.array([row[1] for row in rows], dtype=np.int8),
        age_seconds=np.array([row[2] for row in rows], dtype=np.float64),
        has_vector=np.array([row[3] is not None for row in rows], dtype=bool),
        vectors=unpack_vectors(packed) if packed else np.empty((0, 0), np.float32),
        links=[row[4] for row in rows],
        item_age=_item_age(rows, version, until),
        opinions=_opinions([row for row in found if row[1] >= LESS]),
    )


def _item_age(rows: list[Any], version: ModelVersion | None, until: datetime | None) -> Floats:
    """[events] see `History`; statistics are as of the version's newest event."""
    newest = version.events_until if version else None
    since = ((until or timezone.now()) - newest).total_seconds() if newest else 0.0
    age, known = np.full(len(rows), np.nan, np.float32), [place for place, row in enumerate(rows) if row[5]]
    of_items = np.expm1(np.frombuffer(b"".join([rows[place][5] for place in known]), dtype="<f4"))
    idle = np.array([rows[place][2] - since for place in known], dtype=np.float64) / DAY_SECONDS
    age[known] = of_items - idle
    return age


def _opinions(rows: list[Any]) -> Opinions:
    if not rows:
        return Opinions()
    known = {kind: [row for row in rows if row[1] == kind and row[3] is not None] for kind in (LESS, MORE)}
    vectors = {
        kind: unpack_vectors([row[3] for row in known[kind]]) if known[kind] else np.zeros((0, 0), np.float32)
        for kind in (LESS, MORE)
    }
    refused, wanted = (frozenset(row[0] for row in rows if row[1] == kind) for kind in (LESS, MORE))
    return Opinions(refused, wanted, vectors[LESS], tuple(row[0] for row in known[MORE]), vectors[MORE])
