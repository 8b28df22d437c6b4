"""How many events a visitor, and all visitors behind one address, may send.

Counted in Postgres, not in the cache: Django's local cache is one a process, and its database cache loses counts under
parallel requests. One row a bucket, unlogged, filled by the very statement that stores the events: the limit holds
exactly whatever comes at once, and costs no round trip and no fsync of its own.

A leaky bucket that holds a minute's worth and drains evenly, kept as the one moment at which it will be empty. An
address is stored as a keyed hash whose salt changes every day, for the minutes until its bucket is empty.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from recommender.conf import conf
from recommender.models import RateBucket

DEPTH_SECONDS: Final = 60.0
PORT: Final = re.compile(r"^([\d.]+|\[.*\]):\d+$")  # behind an address in X-Forwarded-For, as some proxies write it
INHUMAN_SECONDS: Final = DEPTH_SECONDS / 2
TABLE: Final = RateBucket._meta.db_table

# Common table expressions over `charge` (batch, key, cost, is_visitor), in which no key stands twice. `limited` says by
# batch how long to wait, NULL where all of its buckets had room, and whether no person is so fast.
# Sorted by key: two statements that fill the same buckets in different orders would deadlock.
LIMITED: Final = f"""
filled AS (
    INSERT INTO {TABLE} AS bucket (key, empty_at)
    SELECT key, statement_timestamp() + cost * interval '1 second' FROM charge ORDER BY key
    ON CONFLICT (key) DO UPDATE
    SET empty_at = greatest(bucket.empty_at, statement_timestamp()) + (EXCLUDED.empty_at - statement_timestamp())
    WHERE greatest(bucket.empty_at, statement_timestamp()) + (EXCLUDED.empty_at - statement_timestamp())
        <= statement_timestamp() + {DEPTH_SECONDS} * interval '1 second'
    RETURNING key, extract(epoch FROM empty_at - statement_timestamp()) AS seconds
), limited AS MATERIALIZED (
    SELECT batch, coalesce(bool_or(is_visitor AND seconds > {INHUMAN_SECONDS}), false) AS is_inhuman,
        CASE WHEN bool_or(seconds IS NULL) THEN greatest(1, ceil(
            max(extract(epoch FROM before.empty_at - statement_timestamp()) + cost) - {DEPTH_SECONDS}))::integer
        END AS wait_seconds
    FROM charge LEFT JOIN filled USING (key) LEFT JOIN {TABLE} AS before USING (key) GROUP BY batch
)"""  # noqa: S608  names of our own
_SPEND: Final = f"""
WITH charge AS MATERIALIZED (
    SELECT 0 AS batch, key, cost, false AS is_visitor FROM unnest(%s::uuid[], %s::float8[]) AS charge (key, cost)
), {LIMITED}
SELECT wait_seconds FROM limited
"""  # noqa: S608  names of our own


class Charge(msgspec.Struct, frozen=True):
    """Seconds of each bucket that a request fills; `visitor` is the bucket of its visitor."""

    costs: dict[UUID, float]
    visitor: UUID | None


def charge_of(request: HttpRequest, visitor: UUID | None, events: int) -> Charge:
    """What events cost the visitor with this key (None: nobody yet) and the address that they come from."""
    limits: dict[UUID, int] = {}
    own = _key(f"visitor {visitor}") if visitor is not None else None
    if own is not None:
        limits[own] = conf.VISITOR_EVENTS_PER_MINUTE
    if address := address_of(request):
        limits[_key(f"address {address}")] = conf.ADDRESS_EVENTS_PER_MINUTE
    return Charge({key: min(max(events, 1) * 60.0 / limit, DEPTH_SECONDS) for key, limit in limits.items()}, own)


def spend(charge: Charge) -> int:
    """Charge at once, for whoever has no visitor to store events of: 0, or in how many seconds to try again."""
    if not charge.costs:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, [list(charge.costs), list(charge.costs.values())])
        return int(cursor.fetchone()[0] or 0)


def turns(charges: Sequence[Charge | None]) -> Iterator[list[int]]:
    """Places of charges that a statement can take together: who shares a bucket with somebody before comes later."""
    waiting = list(range(len(charges)))
    while waiting:
        taken: set[UUID] = set()
        together: list[int] = []
        later: list[int] = []
        for place in waiting:
            charge = charges[place]
            keys = charge.costs.keys() if charge is not None else set[UUID]()
            (later if keys & taken else together).append(place)
            taken |= keys
        yield together
        waiting = later


def forget_empty_buckets() -> int:
    """Delete what has drained, hashes of addresses among it; how many they were."""
    with connection.cursor() as cursor:  # those that are being filled are not empty, and a wait for them may deadlock
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE key IN (SELECT key FROM {TABLE}"  # noqa: S608  names of our own
            " WHERE empty_at < %s FOR UPDATE SKIP LOCKED)",
            [timezone.now()],
        )
        return int(cursor.rowcount)


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
        address = ip_address(PORT.sub(r"\1", text).strip("[]"))
    except ValueError:
        return ""
    if not conf.PROXIES and not address.is_global:
        return ""
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)  # a home or an office has a whole /64
    return str(address)


def _key(who: str) -> UUID:
    salt = f"recommender.rate_limit {timezone.now().date()}"
    return UUID(bytes=salted_hmac(salt, who, algorithm="sha256").digest()[:16])
