"""What rules did: how often what they put into a slot was seen there, and clicked."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import OperationalError, connection
from django.utils import timezone

from recommender.conf import conf
from recommender.index.reading import reading
from recommender.models import Event, Impression

LIMIT_MS: Final = 2_000  # a page of admin waits no longer for it

_SEEN: Final = f"""
SELECT rules[slot], count(*) FROM {Impression._meta.db_table}, unnest(slots) AS slot
WHERE rules && %(rules)s::bigint[] AND doubt = 0 AND rules[slot] = ANY (%(rules)s) GROUP BY 1
"""  # noqa: S608  a name of our own
_CLICKED: Final = f"""
SELECT (impression->>'rule')::bigint, count(*) FROM {Event._meta.db_table}
WHERE at >= %(since)s AND kind = {Event.Kind.CLICK} AND doubt = 0
    AND (impression->>'rule')::bigint = ANY (%(rules)s) GROUP BY 1
"""  # noqa: S608  as above


@dataclass(frozen=True, slots=True)
class Effect:
    """Slots that were seen and clicks on them, in the last IMPRESSIONS_KEPT_DAYS."""

    seen: int
    clicks: int


def rule_effects(rules: Collection[int]) -> dict[int, Effect] | None:
    """pk of each rule → its effect; None where counting took longer than LIMIT_MS."""
    parameters: dict[str, Any] = {
        "rules": list(rules),
        "since": timezone.now() - timedelta(days=conf.IMPRESSIONS_KEPT_DAYS),
    }
    try:
        with reading(LIMIT_MS), connection.cursor() as cursor:
            cursor.execute(_SEEN, parameters)
            seen = dict(cursor.fetchall())
            cursor.execute(_CLICKED, parameters)
            clicks = dict(cursor.fetchall())
    except OperationalError:
        return None
    return {rule: Effect(seen.get(rule, 0), clicks.get(rule, 0)) for rule in rules}
