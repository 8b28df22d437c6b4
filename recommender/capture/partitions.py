"""The event table by month: range partitions on the UUIDv7 id, created ahead and dropped whole.

The id carries the time and is the key, so it stays unique over all months; partitions by the time column could not
promise that (docs/decisions.md). Three partitions have no month's name:

* `…_undated`: ids whose 48 bits of time are zero. Their makers know no time that stays the same when they try again.
* `…_default`: ids of a month that has no partition yet. `create_month` moves them; rows that stay are an alarm.

Locks: a partition is filled and indexed as a table of its own; ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, so
pages go on. Each statement gives up after LOCK_MS rather than make pages queue, and is tried again later.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from recommender.models import Event

TABLE: Final = Event._meta.db_table
DEFAULT: Final = f"{TABLE}_default"
UNDATED: Final = f"{TABLE}_undated"
MONTHS_AHEAD: Final = 3  # a beat that stands still for a quarter does no harm
LOCK_MS: Final = 500
CLOCK_TOLERANCE: Final = timedelta(days=1)  # an id that lies further ahead is from a wrong clock
NAME: Final = re.compile(rf"{TABLE}_y(\d{{4}})m(\d{{2}})")
TIME_SHIFT: Final = 80  # bits of a UUIDv7 below its milliseconds
RANDOM_BITS: Final = (1 << TIME_SHIFT) - 1


def first_day(moment: date) -> date:
    """The first day of a moment's month."""
    return date(moment.year, moment.month, 1)


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def milliseconds_of(key: UUID) -> int:
    """The time in a UUIDv7, in milliseconds since 1970 UTC."""
    return key.int >> TIME_SHIFT


def first_id(moment: datetime) -> UUID:
    """The smallest id that carries this time."""
    return UUID(int=int(moment.timestamp() * 1_000) << TIME_SHIFT)


def month_of(key: UUID) -> date | None:
    """The month whose partition holds an id; None: the undated one."""
    milliseconds = milliseconds_of(key)
    return first_day(datetime.fromtimestamp(milliseconds / 1_000, UTC)) if milliseconds else None


def undated(key: UUID) -> UUID:
    """The same id without its time: 74 random bits are unique enough."""
    return UUID(int=key.int & RANDOM_BITS)


def partition_name(month: date) -> str:
    return f"{TABLE}_y{month.year:04}m{month.month:02}"


def existing_months() -> list[date]:
    """The months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s::regclass) WHERE isleaf", [TABLE])
        names = [NAME.search(name) for (name,) in cursor.fetchall()]
    return sorted(date(int(name[1]), int(name[2]), 1) for name in names if name)


def months_in(table: str) -> set[date]:
    """The months of a table's ids that carry a time, without those of the future."""
    milliseconds = "('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint"
    month = f"date_trunc('month', to_timestamp({milliseconds} / 1000.0) AT TIME ZONE 'UTC')::date"
    latest = int((timezone.now() + CLOCK_TOLERANCE).timestamp() * 1_000)
    with connection.cursor() as cursor:
        where = f"WHERE {milliseconds} BETWEEN 1 AND %s"
        cursor.execute(f"SELECT DISTINCT {month} FROM {table} {where}", [latest])  # noqa: S608  names of our own
        return {found for (found,) in cursor.fetchall()}


def ensure_months(months: Iterable[date]) -> list[date]:
    """Create the partitions that are missing, each in a transaction of its own; the months that were created.

    Raises:
        OperationalError: another transaction holds a lock for longer than LOCK_MS.
    """
    missing = sorted(set(months) - set(existing_months()))
    return [month for month in missing if create_month(month)]


def create_ahead(today: date) -> list[date]:
    """Create this month's partition and the next MONTHS_AHEAD, and those of rows that lie in the default partition."""
    return ensure_months([*months_ahead(today), *months_in(DEFAULT)])


def months_ahead(today: date) -> list[date]:
    """This month and the next MONTHS_AHEAD."""
    months = [first_day(today)]
    for _ in range(MONTHS_AHEAD):
        months.append(month_after(months[-1]))
    return months


@transaction.atomic
def create_month(month: date) -> bool:
    """Create one partition, with the rows of its month that the default partition holds; False: it is there.

    Raises:
        OperationalError: another transaction holds a lock for longer than LOCK_MS.
    """
    name, low, high = partition_name(month), *_bounds(month)
    with connection.cursor() as cursor:
        _be_impatient(cursor)
        cursor.execute(f"LOCK TABLE {TABLE} IN SHARE UPDATE EXCLUSIVE MODE")  # one creates, the others wait
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return False
        inside = f"id >= '{low}' AND id < '{high}'"
        cursor.execute(
            f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,"
            f" CONSTRAINT {name}_range CHECK ({inside}))"  # makes ATTACH instant
        )
        cursor.execute(
            f"WITH moved AS (DELETE FROM {DEFAULT} WHERE {inside} RETURNING *)"  # noqa: S608  names of our own
            f" INSERT INTO {name} SELECT * FROM moved"
        )
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')")
        cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {name}_range")
    return True


def drop_before(moment: datetime) -> list[date]:
    """Retention: drop the months that lie wholly before `moment`, and delete undated rows from before it.

    Raises:
        OperationalError: a long reader holds the table: what was not dropped is dropped next time.
    """
    gone = [month for month in existing_months() if month_after(month) <= moment.astimezone(UTC).date()]
    for month in gone:
        with transaction.atomic(), connection.cursor() as cursor:
            _be_impatient(cursor)
            cursor.execute(f"DROP TABLE IF EXISTS {partition_name(month)}")
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {UNDATED} WHERE at < %s", [moment])  # noqa: S608  a name of our own
    return gone


def has_default_rows() -> bool:
    """The alarm: events lie in the default partition, so partitions are not created ahead."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {DEFAULT})")  # noqa: S608  a name of our own
        return bool(cursor.fetchone()[0])


def _bounds(month: date) -> tuple[UUID, UUID]:
    """The first id of a month and of the next one; 1970 begins a millisecond late, behind the undated ids."""
    low, high = (first_id(datetime(day.year, day.month, 1, tzinfo=UTC)) for day in (month, month_after(month)))
    return max(low, UUID(int=1 << TIME_SHIFT)), high


def _be_impatient(cursor: Any) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_MS}ms"])
