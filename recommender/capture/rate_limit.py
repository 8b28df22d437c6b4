"""How many events a visitor, and all visitors behind one address, may send.

Counted in Postgres, not in the cache: Django's local cache is one a process, and its database cache loses counts under
parallel requests. One statement an unlogged row, so the limit holds exactly whatever comes at once, and costs no fsync.

A leaky bucket that holds a minute's worth and drains evenly, kept as the one moment at which it will be empty. An
address is stored as a keyed hash whose salt changes every day, for the minutes until its bucket is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from recommender.capture.group_commit import GroupCommit
from recommender.conf import conf
from recommender.models import RateBucket

DEPTH_SECONDS: Final = 60.0
INHUMAN_SECONDS: Final = DEPTH_SECONDS / 2
TABLE: Final = RateBucket._meta.db_table

# Sorted by key: two requests that fill the same buckets in different orders would deadlock.
_FILL: Final = f"""
INSERT INTO {TABLE} AS bucket (key, empty_at)
SELECT key, statement_timestamp() + cost * interval '1 second'
FROM unnest(%(keys)s::uuid[], %(costs)s::float8[]) AS asked (key, cost) ORDER BY key
ON CONFLICT (key) DO UPDATE
SET empty_at = greatest(bucket.empty_at, statement_timestamp()) + (EXCLUDED.empty_at - statement_timestamp())
WHERE greatest(bucket.empty_at, statement_timestamp()) + (EXCLUDED.empty_at - statement_timestamp())
    <= statement_timestamp() + %(depth)s * interval '1 second'
RETURNING key, extract(epoch FROM empty_at - statement_timestamp())::float8
"""  # noqa: S608  a name of our own
_WAIT: Final = f"""
SELECT max(extract(epoch FROM empty_at - statement_timestamp()) + cost)::float8 - %(depth)s
FROM {TABLE} JOIN unnest(%(keys)s::uuid[], %(costs)s::float8[]) AS asked (key, cost) USING (key)
"""  # noqa: S608  a name of our own


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a sender may do now.

    Attributes:
        wait_seconds: 0 where the events may be stored, else when to try again.
        is_inhuman: no person does so much in so little time.
    """

    wait_seconds: int
    is_inhuman: bool = False


class _Charge(NamedTuple):
    """Seconds of each bucket that a request fills; `visitor` is the bucket of its visitor."""

    costs: dict[UUID, float]
    visitor: UUID | None


def spend(request: HttpRequest, visitor: UUID | None, events: int) -> Allowance:
    """Charge events to the visitor with this key (None: nobody yet) and to the address, in one statement."""
    per_minute = _limits(request, visitor)
    if not per_minute:
        return Allowance(0)
    costs = {key: min(max(events, 1) * 60.0 / limit, DEPTH_SECONDS) for key, limit in per_minute.items()}
    charge = _Charge(costs, _visitor_key(visitor) if visitor is not None else None)
    return _fill([charge])[0] if connection.in_atomic_block else _charges.write(charge)


def _fill(charges: Sequence[_Charge]) -> list[Allowance]:
    """What each may do. Who shares a bucket with somebody before comes a statement later: the limit is exact."""
    found: dict[int, Allowance] = {}
    waiting = dict(enumerate(charges))
    while waiting:
        costs: dict[UUID, float] = {}
        together = {}
        for number, charge in waiting.items():
            if not costs.keys() & charge.costs.keys():
                costs |= charge.costs
                together[number] = charge
        filled = _fill_buckets(costs)
        found |= {number: _allowance(charge, filled) for number, charge in together.items()}
        waiting = {number: charge for number, charge in waiting.items() if number not in together}
    return [found[number] for number in range(len(charges))]


def _fill_buckets(costs: dict[UUID, float]) -> dict[UUID, float]:
    """The buckets that had room → in how many seconds each is empty."""
    with connection.cursor() as cursor:
        cursor.execute(_FILL, {"keys": list(costs), "costs": list(costs.values()), "depth": DEPTH_SECONDS})
        return dict(cursor.fetchall())


def _allowance(charge: _Charge, filled: dict[UUID, float]) -> Allowance:
    if charge.costs.keys() <= filled.keys():
        return Allowance(0, charge.visitor is not None and filled[charge.visitor] > INHUMAN_SECONDS)
    costs = charge.costs
    parameters: dict[str, Any] = {"keys": list(costs), "costs": list(costs.values()), "depth": DEPTH_SECONDS}
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, parameters)
        return Allowance(max(ceil(cursor.fetchone()[0]), 1))


_charges: Final = GroupCommit(_fill)  # one commit for many requests


def forget_empty_buckets() -> int:
    """Delete what has drained, hashes of addresses among it; how many they were."""
    return RateBucket.objects.filter(empty_at__lt=timezone.now()).delete()[0]


def address_of(request: HttpRequest) -> str:
    """The sender's address, an IPv6 one by its network; "" where only a proxy of the shop is known.

    Behind RECOMMENDER_PROXIES proxies it stands in X-Forwarded-For, as many places from the right: what stands further
    left can be forged. A private address without that setting is a proxy's: limiting it would limit everybody.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if conf.PROXIES:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        text = hops[-min(conf.PROXIES, len(hops))].strip() or text
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if not conf.PROXIES and not address.is_global:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)  # a home or an office has a whole /64
    return str(address)


def _limits(request: HttpRequest, visitor: UUID | None) -> dict[UUID, int]:
    """Bucket → events per minute."""
    limits: dict[UUID, int] = {}
    if visitor is not None:
        limits[_visitor_key(visitor)] = conf.VISITOR_EVENTS_PER_MINUTE
    if address := address_of(request):
        limits[_key(f"address {address}")] = conf.ADDRESS_EVENTS_PER_MINUTE
    return limits


def _visitor_key(visitor: UUID) -> UUID:
    return _key(f"visitor {visitor}")


def _key(who: str) -> UUID:
    salt = f"recommender.rate_limit {timezone.now().date()}"
    return UUID(bytes=salted_hmac(salt, who, algorithm="sha256").digest()[:16])
