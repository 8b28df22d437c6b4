"""A visitor's newest events with the vectors of their items, in one statement."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from recommender.conf import conf
from recommender.dataset.ranking_features import LONG_DECAY_DAYS, SHORT_DECAY_DAYS, decayed_purchases
from recommender.index.partitions import unpack_vector
from recommender.models import ModelVersion, Visitor

DAY_SECONDS: Final = 86_400.0

# The newest events that have a vector are counted, so that items younger than the version do not use up the places.
_STATEMENT: Final = """
SELECT item_id, kind, age_seconds, CASE WHEN place <= %(with_vector)s THEN halfvec_send(vector) END
FROM (
    SELECT newest.*, own.vector,
        count(own.vector) OVER (ORDER BY at DESC, id DESC ROWS UNBOUNDED PRECEDING) AS place
    FROM (
        SELECT id, item_id, kind, at, greatest(extract(epoch FROM now() - at), 0)::float8 AS age_seconds
        FROM recommender_event WHERE visitor_id = %(visitor)s ORDER BY at DESC, id DESC LIMIT %(events)s
    ) AS newest
    LEFT JOIN recommender_itemembedding AS own ON own.version_id = %(version)s AND own.item_id = newest.item_id
) AS joined
ORDER BY at DESC, id DESC
"""


@dataclass(frozen=True, slots=True)
class History:
    """Events of one visitor, newest last.

    Attributes:
        item: [events] the shop's keys in their own type.
        kind: [events] int8. age_seconds: [events] float32, before now.
        has_vector: [events] bool, true for the events that `vectors` belong to.
        vectors: [has_vector.sum(), dim] float32 of the items, as stored.
    """

    item: NDArray[Any]
    kind: NDArray[np.int8]
    age_seconds: NDArray[np.float32]
    has_vector: NDArray[np.bool_]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item)

    def decayed_purchases(self) -> tuple[dict[Any, float], dict[Any, float]]:
        """Own purchases by item: decayed slowly and quickly, as the ranker wants them."""
        age_days = self.age_seconds / np.float32(DAY_SECONDS)
        long, short = (
            decayed_purchases(self.item, self.kind, age_days, days) for days in (LONG_DECAY_DAYS, SHORT_DECAY_DAYS)
        )
        return dict(long), dict(short)


def read_history(visitor: Visitor, version: ModelVersion | None = None, with_vector: int = 0) -> History:
    """The newest HISTORY_EVENTS events; the newest `with_vector` of those whose item is in `version` have vectors."""
    parameters = {
        "visitor": visitor.pk,
        "events": conf.HISTORY_EVENTS,
        "version": version and version.pk,
        "with_vector": with_vector,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, parameters)
        rows = cursor.fetchall()[::-1]
    packed = [row[3] for row in rows if row[3] is not None]
    items = np.empty(len(rows), dtype=object)
    items[:] = [row[0] for row in rows]
    return History(
        item=items,
        kind=np.array([row[1] for row in rows], dtype=np.int8),
        age_seconds=np.array([row[2] for row in rows], dtype=np.float32),
        has_vector=np.array([row[3] is not None for row in rows], dtype=bool),
        vectors=np.stack([unpack_vector(vector) for vector in packed]) if packed else np.empty((0, 0), np.float32),
    )
