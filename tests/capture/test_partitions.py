from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from recommender.capture import partitions
from recommender.models import Event, Visitor
from shop.models import Product

OCTOBER = date(2019, 10, 1)


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 of a moment."""
    random = uuid4().int & partitions.RANDOM_BITS & ~(0xF << 76) | 7 << 76
    return UUID(int=partitions.first_id(moment).int | random)


def partition_of(key: UUID) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {partitions.TABLE} WHERE id = %s", [key])
        return str(cursor.fetchone()[0])


@pytest.fixture
def store(visitor: Visitor, product: Product) -> Any:
    def make(key: UUID, at: datetime | None = None) -> Event:
        made: dict[str, Any] = {"kind": Event.Kind.VIEW, "at": at or timezone.now(), "source": Event.Source.SHOP}
        return Event.objects.create(pk=key, visitor=visitor, item=product, **made)

    return make


@pytest.fixture
def forget_months() -> Iterator[None]:
    """A test that commits leaves months behind: the next one must not find them."""
    yield
    partitions.drop_before(timezone.now() - timedelta(days=40))


def test_months_follow_one_another() -> None:
    assert partitions.month_after(date(2026, 11, 1)) == date(2026, 12, 1)
    assert partitions.month_after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert partitions.first_day(date(2026, 11, 24)) == date(2026, 11, 1)


def test_an_id_knows_its_month() -> None:
    moment = datetime(2019, 10, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert partitions.month_of(id_of(moment)) == OCTOBER
    assert partitions.month_of(id_of(moment + timedelta(milliseconds=1))) == date(2019, 11, 1)
    assert partitions.month_of(partitions.undated(id_of(moment))) is None


def test_this_month_and_the_next_ones_are_there_after_migrate(db: None) -> None:
    today = partitions.first_day(datetime.now(UTC).date())
    ahead = [month for month in partitions.existing_months() if month >= today]
    assert len(ahead) == 1 + partitions.MONTHS_AHEAD
    assert partitions.create_ahead(today) == []


def test_an_event_of_now_lies_in_its_month(store: Any) -> None:
    now = datetime.now(UTC)
    assert partition_of(store(id_of(now)).pk) == partitions.partition_name(now.date())


def test_a_month_takes_its_rows_out_of_the_default_partition(store: Any) -> None:
    inside, outside = id_of(datetime(2019, 10, 7, tzinfo=UTC)), id_of(datetime(2019, 11, 1, tzinfo=UTC))
    store(inside)
    store(outside)
    assert partition_of(inside) == partitions.DEFAULT
    assert partitions.has_default_rows()
    assert partitions.create_month(OCTOBER) is True
    assert partitions.create_month(OCTOBER) is False
    assert partition_of(inside) == f"{partitions.TABLE}_y2019m10"
    assert partition_of(outside) == partitions.DEFAULT


def test_the_periodic_task_empties_the_default_partition(store: Any) -> None:
    keys = [id_of(datetime(2019, month, 7, tzinfo=UTC)) for month in (1, 3)]
    for key in keys:
        store(key)
    assert partitions.create_ahead(datetime.now(UTC).date()) == [date(2019, 1, 1), date(2019, 3, 1)]
    assert not partitions.has_default_rows()
    assert Event.objects.count() == 2


def test_ids_without_a_time_are_no_alarm(store: Any) -> None:
    key = partitions.undated(id_of(datetime.now(UTC)))
    store(key)
    assert partition_of(key) == partitions.UNDATED
    assert not partitions.has_default_rows()
    partitions.create_month(date(1970, 1, 1))  # begins behind them
    assert partition_of(key) == partitions.UNDATED


def test_a_new_month_has_the_indexes_and_the_foreign_key_of_the_table(db: None) -> None:
    partitions.create_month(OCTOBER)
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, partitions.partition_name(OCTOBER))
    columns = {
        tuple(each["columns"])
        for each in found.values()
        if {"index", "primary_key", "foreign_key"} & {name for name in each if each[name]}
    }
    assert columns == {("at",), ("id",), ("visitor_id",), ("visitor_id", "at")}


@pytest.mark.django_db(transaction=True)
def test_retention_drops_whole_months_and_old_undated_rows(store: Any, forget_months: None) -> None:
    old, new = datetime(2019, 10, 7, tzinfo=UTC), datetime(2019, 11, 7, tzinfo=UTC)
    partitions.ensure_months([OCTOBER, date(2019, 11, 1)])
    kept = [store(id_of(new), new), store(partitions.undated(id_of(new)), new)]
    store(id_of(old), old)
    store(partitions.undated(id_of(old)), old)
    assert partitions.drop_before(datetime(2019, 11, 1, tzinfo=UTC)) == [OCTOBER]
    assert set(Event.objects.all()) == set(kept)
    assert partitions.existing_months()[0] == date(2019, 11, 1)


@pytest.mark.django_db(transaction=True)
def test_a_month_of_a_hundred_thousand_events_is_dropped_in_less_than_a_second(
    product: Product, forget_months: None
) -> None:
    visitor = Visitor.objects.create()
    partitions.create_month(OCTOBER)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {partitions.TABLE} (id, visitor_id, item_id, kind, at, quantity, source)"
            " SELECT ('016d8600-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, %s, %s, 1, now(), 1, 3"
            " FROM generate_series(1, 100000) AS number",
            [visitor.pk, product.pk],
        )
    assert Event.objects.count() == 100_000
    began = perf_counter()
    assert OCTOBER in partitions.drop_before(datetime(2019, 11, 1, tzinfo=UTC))
    assert perf_counter() - began < 1
    assert Event.objects.count() == 0


def test_a_history_is_read_by_index_in_every_month(store: Any, visitor: Visitor) -> None:
    for month in range(1, 13):
        partitions.create_month(date(2019, month, 1))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        cursor.execute(
            f"EXPLAIN SELECT * FROM {partitions.TABLE} WHERE visitor_id = %s ORDER BY at DESC, id DESC LIMIT 100",
            [visitor.pk],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Merge Append" in plan
    assert "Seq Scan" not in plan
    assert plan.count("Index Scan") == len(partitions.existing_months()) + 2


@pytest.mark.django_db(transaction=True)
def test_the_migration_keeps_every_row_and_can_be_undone(product: Product, forget_months: None) -> None:
    visitor = Visitor.objects.create()
    moments = [datetime(2019, 10, 7, tzinfo=UTC), datetime.now(UTC), datetime.now(UTC) + timedelta(days=900)]
    keys = [id_of(moment) for moment in moments] + [partitions.undated(uuid4())]
    target, leaves = [("recommender", "0001_initial")], MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = MigrationExecutor(connection).migrate(target).apps.get_model("recommender", "Event")
    try:
        for key in keys:
            old.objects.create(pk=key, visitor_id=visitor.pk, item_id=product.pk, kind=1, at=moments[0], source=2)
    finally:
        MigrationExecutor(connection).migrate(leaves)
    expected = {*keys[:2], partitions.undated(keys[2]), keys[3]}
    assert set(Event.objects.values_list("pk", flat=True)) == expected
    assert partition_of(keys[0]) == f"{partitions.TABLE}_y2019m10"
    assert not partitions.has_default_rows()
    assert Event.objects.get(pk=keys[0]).visitor == visitor
