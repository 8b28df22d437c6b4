from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from recommender.capture import bulk
from recommender.capture.accounts import account_visitors
from recommender.capture.bulk import EventColumns, LoadResult, event_ids, load_events
from recommender.capture.tables import CART, PURCHASE, VIEW
from recommender.models import Event, Visitor
from shop.models import Product

AT = [1_500_000_000, 1_600_000_000, 1_600_000_000]


@pytest.fixture
def columns(products: list[Product], visitor: Visitor) -> EventColumns:
    return EventColumns(
        id=event_ids(AT, ["a", "b", "c"]),
        visitor=np.array([visitor.pk] * 3),
        item=np.array([product.pk for product in products]),
        kind=np.array([VIEW, CART, PURCHASE], dtype=np.int8),
        at=np.array(AT),
        quantity=np.array([1, 2, 3]),
        value_cents=np.array([np.nan, 0.0, 1797.0]),
    )


def test_every_column_arrives(columns: EventColumns, products: list[Product], visitor: Visitor) -> None:
    assert load_events(columns) == LoadResult(received=3, stored=3, duplicates=0, refused=0)
    event = Event.objects.get(pk=UUID(bytes=columns.id[2].tobytes()))
    assert (event.visitor, event.item, event.kind) == (visitor, products[2], Event.Kind.PURCHASE)
    assert (event.at, event.quantity, event.value_cents) == (datetime.fromtimestamp(AT[2], UTC), 3, 1797)
    assert event.source == Event.Source.BULK
    assert set(Event.objects.values_list("value_cents", flat=True)) == {None, 0, 1797}


def test_a_second_load_stores_nothing_twice(columns: EventColumns) -> None:
    load_events(columns)
    assert load_events(columns) == LoadResult(received=3, stored=0, duplicates=3, refused=0)
    assert Event.objects.count() == 3


def test_an_id_twice_in_one_load_is_stored_once(columns: EventColumns) -> None:
    twice = replace(columns, id=columns.id[[0, 1, 1]])
    assert load_events(twice) == LoadResult(received=3, stored=2, duplicates=1, refused=0)


def test_rows_of_unknown_items_and_visitors_are_refused_and_the_rest_is_stored(columns: EventColumns) -> None:
    wrong = replace(columns, item=[columns.item[0], "no key", 987_654_321])
    assert load_events(wrong) == LoadResult(received=3, stored=1, duplicates=0, refused=2)
    wrong = replace(columns, visitor=np.array([columns.visitor[0], -1, columns.visitor[2]]))
    assert load_events(wrong) == LoadResult(received=3, stored=1, duplicates=1, refused=1)


def test_a_load_in_chunks_reports_its_progress(columns: EventColumns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ROWS_PER_CHUNK", 2)
    done: list[int] = []
    assert load_events(columns, progress=done.append).stored == 3
    assert done == [2, 1]


def test_quantity_and_value_may_be_left_out(columns: EventColumns) -> None:
    load_events(replace(columns, quantity=None, value_cents=None))
    assert list(Event.objects.values_list("quantity", "value_cents").distinct()) == [(1, None)]


def test_no_rows_are_a_load_too(columns: EventColumns) -> None:
    empty = EventColumns(
        *(values[:0] for values in (columns.id, columns.visitor, columns.item, columns.kind, columns.at))
    )
    assert load_events(empty) == LoadResult(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("kind", [1, 2, 5]),
        ("at", [1_600_000_000_000, 0, 0]),
        ("quantity", [1, 0, 1]),
        ("quantity", [1, np.nan, 1]),
        ("visitor", [1]),
    ],
)
def test_a_value_that_no_event_can_have_is_an_error_before_anything_is_stored(
    columns: EventColumns, column: str, values: list[Any]
) -> None:
    with pytest.raises(ValueError, match=column):
        load_events(replace(columns, **{column: np.array(values)}))
    assert not Event.objects.exists()


@pytest.mark.parametrize("priced", [[1, 2, 3], [np.nan, 2.0, np.nan], None])
def test_fresh_rows_and_known_rows_end_the_same(columns: EventColumns, visitor: Visitor, priced: Any) -> None:
    """Rows that are new go straight into the table; one that is known sends all of a chunk the long way round."""
    sent = replace(columns, value_cents=None if priced is None else np.array(priced))
    load_events(
        replace(
            sent,
            **{name: getattr(sent, name)[:1] for name in ("id", "visitor", "item", "kind", "at")},
            quantity=None,
            value_cents=None if sent.value_cents is None else sent.value_cents[:1],
        )
    )
    Event.objects.update(quantity=1)
    assert load_events(sent) == LoadResult(received=3, stored=2, duplicates=1, refused=0)
    again = Event.objects.order_by("pk").values_list("visitor_id", "item_id", "kind", "at", "value_cents")
    first = list(again)
    Event.objects.all().delete()
    assert load_events(sent).stored == 3
    assert list(again) == first


def test_who_was_erased_and_came_again_gets_what_came_after(columns: EventColumns, visitor: Visitor) -> None:
    Visitor.objects.filter(pk=visitor.pk).update(forgotten_until=datetime.fromtimestamp(AT[0] + 60, UTC))
    assert load_events(columns) == LoadResult(received=3, stored=2, duplicates=0, refused=1)


def test_a_load_belongs_to_the_transaction_of_its_caller(columns: EventColumns) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        load_events(columns)
        raise RuntimeError
    assert not Event.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'load_event'")
        assert cursor.fetchone() == (0,)


def test_ids_are_version_7_by_time_and_the_same_every_time() -> None:
    ids = [UUID(bytes=row.tobytes()) for row in event_ids(AT, ["a", "b", "c"])]
    assert [key.version for key in ids] == [7, 7, 7]
    assert [key.int >> 80 for key in ids] == [seconds * 1_000 for seconds in AT]
    assert len(set(ids)) == 3
    assert event_ids(AT, ["a", "b", "c"]).tolist() == [key.bytes for key in ids]


def test_accounts_get_one_visitor_each(db: None) -> None:
    users = [get_user_model().objects.create(username=name).pk for name in ("household-1", "household-2")]
    visitors = account_visitors(users)
    assert visitors == account_visitors(users)
    assert {Visitor.objects.get(pk=visitors[user]).user_id for user in users} == set(users)
