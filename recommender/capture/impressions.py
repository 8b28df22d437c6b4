"""Impression tokens that come back: believed only for the visitor and the list that they were signed for.

    {"impressions": [{"token": "…", "slots": [1, 2, 3]}]}     the slots of a list that were half visible for a second

A row a list and visitor; slots are added to it, so what arrives twice changes nothing and needs no id.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from recommender.capture.partitions import first_id, milliseconds_of
from recommender.capture.visitor import hold_visitor
from recommender.conf import conf
from recommender.models import Impression, Visitor, VisitorJoin
from recommender.tokens import read_impressions

CLOCKS_DIFFER: Final = timedelta(minutes=1)  # the web server's and the database's, at most

# Sorted by key against deadlocks; without the WHERE a repeated report would write a dead row.
_INSERT: Final = f"""
INSERT INTO {Impression._meta.db_table} AS known
    (list_id, visitor_id, placement, version_id, rung, arm_id, items, propensities, rules, slots, doubt)
SELECT list, %(visitor)s, placement, version, rung, arm, items, propensities, rules, slots, %(doubt)s
FROM jsonb_to_recordset(%(rows)s) AS row
    (list uuid, placement text, version bigint, rung text, arm bigint, items text[], propensities float8[],
     rules bigint[], slots smallint[])
ORDER BY list
ON CONFLICT (list_id, visitor_id) DO UPDATE
SET slots = (SELECT array_agg(DISTINCT slot ORDER BY slot) FROM unnest(known.slots || EXCLUDED.slots) AS slot)
WHERE NOT known.slots @> EXCLUDED.slots
"""  # noqa: S608  a name of our own


def claims_for(visitor: Visitor, token: str) -> dict[str, Any] | None:
    """The claims of a valid token that was signed for this visitor; None otherwise.

    A list for nobody in particular is believed from visitors who are newer than it: whoever was known when it was made
    got a list of their own. So one page cannot lend its token to a thousand visitors.
    """
    claims = read_impressions(token)
    if claims is None:
        return None
    if claims["v"] == "":
        is_own = (visitor.created_at + CLOCKS_DIFFER).timestamp() * 1_000 > _made_at_ms(claims)
    elif claims["v"] == str(visitor.key):
        is_own = True
    else:  # made before the login
        is_own = VisitorJoin.objects.filter(visitor=visitor.pk, key=claims["v"]).exists()
    return claims if is_own else None


def is_for_everybody(token: str) -> bool:
    """Whether it is a valid token of a list that was made for nobody in particular."""
    claims = read_impressions(token)
    return claims is not None and claims["v"] == ""


def shown(visitor: Visitor, item: object, token: str) -> dict[str, Any] | None:
    """Where the item was shown to the visitor; None without a valid token for both."""
    claims = claims_for(visitor, token) if token else None
    if claims is None or str(item) not in claims["i"]:
        return None
    place = {"list": claims["l"], "placement": claims["p"], "version": claims["m"], "rung": claims["r"]}
    place |= {"arm": claims["a"]} if "a" in claims else {}
    at = claims["i"].index(str(item))
    if "t" in claims:
        place["pick"] = claims["t"][at]
    if "u" in claims and claims["u"][at]:
        place["rule"] = claims["u"][at]
    return {**place, "slot": at + 1}


@transaction.atomic
def store_impressions(visitor: Visitor, rows: Sequence[object], doubt: int) -> int:
    """Store which slots the visitor saw; the number of rows that were believed.

    Raises:
        VisitorNotFound, NoConsent: as `hold_visitor`; nothing was stored.
    """
    forgotten_until = hold_visitor(visitor) if rows else None
    oldest_ms = forgotten_until.timestamp() * 1_000 if forgotten_until else 0
    seen = [each for row in rows if (each := _seen(visitor, row)) and _made_at_ms(each[0]) > oldest_ms]
    lists: dict[str, dict[str, Any]] = {}
    for claims, slots in seen:
        place = {"placement": claims["p"], "version": claims["m"], "rung": claims["r"], "arm": claims.get("a")}
        place |= {"items": claims["i"], "rules": claims.get("u")}
        place["propensities"] = claims.get("q") or [1.0] * len(claims["i"])
        known = lists.setdefault(claims["l"], {"list": claims["l"], "slots": [], **place})
        known["slots"] = sorted({*known["slots"], *slots})
    if lists:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, {"visitor": visitor.pk, "doubt": doubt, "rows": json.dumps([*lists.values()])})
    return len(seen)


def forget_old_impressions() -> int:
    """Retention: delete lists that were made IMPRESSIONS_KEPT_DAYS ago; how many they were."""
    oldest = timezone.now() - timedelta(days=conf.IMPRESSIONS_KEPT_DAYS)
    return Impression.objects.filter(list_id__lt=first_id(oldest)).delete()[0]


def _made_at_ms(claims: dict[str, Any]) -> int:
    """When the list was made, milliseconds since 1970."""
    return milliseconds_of(UUID(claims["l"]))


def _seen(visitor: Visitor, row: object) -> tuple[dict[str, Any], set[int]] | None:
    """(claims, slots of the list) of a row as a browser sent it; None where there is nothing to believe."""
    if not isinstance(row, Mapping) or not isinstance(row.get("token"), str) or not isinstance(row.get("slots"), list):
        return None
    claims = claims_for(visitor, row["token"])
    if claims is None:
        return None
    last = len(claims["i"])
    slots = {slot for slot in row["slots"] if type(slot) is int and 1 <= slot <= last}  # no bool
    return (claims, slots) if slots else None
