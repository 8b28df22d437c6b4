"""The signed token of a list: it comes back with a click and proves what was shown, where and to whom."""

from collections.abc import Sequence

from uuid_utils.compat import uuid7

from recommender.models import Visitor
from recommender.serving.arms import arm_of
from recommender.serving.query import Entry
from recommender.tokens import sign_impressions


def impression_token(
    visitor: Visitor | None,
    placement: str,
    rung: str,
    version_id: int | None,
    entries: Sequence[Entry],
    picks: Sequence[int] = (),
) -> str:
    """Claims: visitor, list, placement, version, rung, arm, and the item keys in slot order; propensities, rules and
    picks where they say anything."""
    arm = arm_of(visitor)
    is_random = any(entry.propensity < 1.0 for entry in entries)
    is_ruled = any(entry.rule for entry in entries)
    return sign_impressions(
        {
            "v": str(visitor.key) if visitor else "",
            "l": str(uuid7()),
            "p": placement,
            "m": version_id,
            "r": rung,
            **({} if arm is None else {"a": arm.id}),
            "i": [str(entry.item.pk) for entry in entries],
            **({"q": [round(entry.propensity, 9) for entry in entries]} if is_random else {}),
            **({"t": list(picks)} if picks else {}),
            **({"u": [entry.rule or 0 for entry in entries]} if is_ruled else {}),
        }
    )
