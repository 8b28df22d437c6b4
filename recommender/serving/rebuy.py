"""When what was bought before is due again."""

from typing import Any, Final

import numpy as np

from recommender.dataset.ranking_features import OWN, STATISTICS, Floats, overdue
from recommender.models import ItemEmbedding, ModelVersion
from recommender.serving.history import History

DUE: Final = float(np.log(0.5))  # `overdue` is the log of a ratio of days: half of the usual time


def by_due(history: History, version: ModelVersion | None) -> list[tuple[Any, float]]:
    """(item key, score) of what the visitor bought: what is due before what is not, both by decayed purchases.

    Due: at least half of the time has passed after which this visitor, drawn to what is usual for the item, buys it
    again; or nobody knows that time. Score: the decayed purchases, below zero where it is not due.
    """
    counts = history.decayed_purchases()
    own, facts = history.own
    rows = [row for row, key in enumerate(own) if key in counts]
    keys = [own[row] for row in rows]
    statistics = _statistics(keys, version)
    usual = statistics[:, STATISTICS.index("usual_days")]
    own_interval = facts[rows][:, OWN.index("own_interval")]
    statistics[:, STATISTICS.index("usual_days")] = np.where(usual > 0, usual, own_interval)
    is_due = overdue(facts[rows], statistics) >= DUE
    most = max(counts.values(), default=0.0)
    scored = [(key, counts[key] - (0.0 if due else most)) for key, due in zip(keys, is_due, strict=True)]
    return sorted(scored, key=lambda pair: -pair[1])


def _statistics(keys: list[Any], version: ModelVersion | None) -> Floats:
    """[keys, len(STATISTICS)], 0 for items that the version does not know."""
    found = np.zeros((len(keys), len(STATISTICS)), dtype=np.float32)
    if version is None:
        return found
    known = ItemEmbedding.objects.filter(version_id=version.pk, item_id__in=keys).values_list("item_id", "statistics")
    place = {key: row for row, key in enumerate(keys)}
    for key, packed in known:
        if packed is not None:
            found[place[key]] = np.frombuffer(packed, dtype="<f4")
    return found
