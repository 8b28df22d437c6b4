"""Items that few people have seen get a few slots, see `explore`: here is what is known of them and who draws."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from recommender.models import Event, Impression
from recommender.serving.explore import TRIALS, exploring_slots, win_chances
from recommender.serving.remembered import Remembered

CONSIDERED: Final = 100  # candidates behind the list between which the least seen are looked for
COUNTED_LISTS: Final = 20_000  # newest seen lists
COUNTED_EVENTS: Final = 50_000  # newest events, between which their clicks are
COUNT_SECONDS: Final = 600.0

_SEEN: Final = f"""
SELECT items[slot], count(*) FROM (
    SELECT items, slots FROM {Impression._meta.db_table} WHERE doubt = 0 ORDER BY list_id DESC LIMIT %s
) AS newest, unnest(slots) AS slot GROUP BY 1
"""  # noqa: S608  a name of our own
_CLICKED: Final = f"""
SELECT item_id::text, count(DISTINCT (visitor_id, impression->>'list')) FROM (
    SELECT item_id, kind, impression, visitor_id FROM {Event._meta.db_table} WHERE doubt = 0 ORDER BY at DESC LIMIT %s
) AS newest WHERE kind = {Event.Kind.CLICK} AND impression IS NOT NULL GROUP BY 1
"""  # noqa: S608  as above


def _count() -> dict[str, tuple[int, int]]:
    """Item key as text → (times seen, clicks) lately."""
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [COUNTED_LISTS])
        seen = dict(cursor.fetchall())
        cursor.execute(_CLICKED, [COUNTED_EVENTS])
        clicked = dict(cursor.fetchall())
    return {key: (times, min(clicked.get(key, 0), times)) for key, times in seen.items()}


exposures: Final[Remembered[dict[str, tuple[int, int]]]] = Remembered(_count, COUNT_SECONDS, {})


@dataclass(frozen=True, slots=True)
class Trials:
    """`chance` that each of the slots in `may` explores; `pools`: slot → trial keys, of those that do."""

    chance: float = 0.0
    may: frozenset[int] = frozenset()
    pools: dict[int, list[Any]] = field(default_factory=dict)

    @property
    def keys(self) -> list[Any]:
        return [key for pool in self.pools.values() for key in pool]


def plan_trials(behind: Sequence[Any], free: Sequence[int], length: int, share: float) -> Trials:
    """Toss a coin for each slot that may explore, and choose its trial items.

    Args:
        behind: keys of the candidates that the list does not need, best first. free: slots that no rule has taken.
    """
    behind = behind[:CONSIDERED]
    slots, chance = exploring_slots(free, length, share)
    may = slots[: len(behind)]  # each has a trial item of its own at least
    heads = [slot for slot in may if random.random() < chance]  # noqa: S311  no secret
    if not heads:
        return Trials(chance, frozenset(may))
    known = exposures.get()
    least_seen = sorted(behind, key=lambda key: known.get(str(key), (0, 0))[0])
    pools = {slot: least_seen[may.index(slot) :: len(may)][:TRIALS] for slot in heads}
    return Trials(chance, frozenset(may), pools)


def draw(pool: Collection[Any]) -> tuple[Any, float]:
    """(one of these trial keys, its chance between them)."""
    keys, known = list(pool), exposures.get()
    counts = [known.get(str(key), (0, 0)) for key in keys]
    chances = win_chances([clicks for _seen, clicks in counts], [seen for seen, _clicks in counts])
    place = random.choices(range(len(keys)), weights=chances.tolist())[0]  # noqa: S311  no secret
    return keys[place], float(chances[place])
