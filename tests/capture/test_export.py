from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from recommender.capture.cleaning import count_left_out
from recommender.capture.export import _joined, _table, export_events, export_items
from recommender.capture.tables import CART, PURCHASE, VIEW
from recommender.catalog import Catalog, register
from recommender.models import Event, Visitor
from shop.models import Product
from shop.recommendations import ProductCatalog

NEWEST = datetime(2026, 11, 1, 12, 0, 0, 600_000, tzinfo=UTC)


@pytest.fixture
def events(products: list[Product], visitor: Visitor) -> list[Event]:
    kinds = (PURCHASE, CART, VIEW)
    return [
        Event.objects.create(
            visitor=visitor,
            item=product,
            kind=kind,
            at=NEWEST - timedelta(minutes=number),
            quantity=number + 1,
            source=Event.Source.SHOP,
        )
        for number, (product, kind) in enumerate(zip(products, kinds, strict=True))
    ]


def test_events_come_in_the_order_of_time(events: list[Event], products: list[Product], visitor: Visitor) -> None:
    log = export_events()
    assert log.visitor.tolist() == [visitor.pk] * 3
    assert log.item.tolist() == [product.pk for product in reversed(products)]
    assert log.kind.tolist() == [VIEW, CART, PURCHASE]
    assert log.at.tolist() == [int((NEWEST - timedelta(minutes=number)).timestamp()) for number in (2, 1, 0)]
    assert log.quantity.tolist() == [3.0, 2.0, 1.0]
    types = [log.visitor.dtype, log.item.dtype, log.kind.dtype, log.at.dtype, log.quantity.dtype]
    assert types == [np.int32, np.int32, np.int8, np.int32, np.float32]  # half the memory where numbers fit
    assert all(column.dtype.isnative for column in (log.visitor, log.item, log.at, log.quantity))


def test_events_of_one_moment_come_in_the_order_of_their_ids(products: list[Product], visitor: Visitor) -> None:
    Event.objects.bulk_create(
        Event(visitor=visitor, item=product, kind=VIEW, at=NEWEST, source=Event.Source.SHOP) for product in products * 5
    )
    by_id = Event.objects.order_by("pk").values_list("item_id", flat=True)
    assert export_events().item.tolist() == list(by_id)


def test_an_event_at_the_cut_is_after_it(events: list[Event]) -> None:
    assert len(export_events(until=NEWEST)) == 2
    assert len(export_events(until=NEWEST + timedelta(microseconds=1))) == 3


def test_events_of_a_deleted_item_are_left_out(events: list[Event], products: list[Product]) -> None:
    gone = products[1].pk
    products[1].delete()
    log = export_events()
    assert len(log) == 2
    assert gone not in log.item


def test_a_table_may_lie_in_a_schema(
    events: list[Event], products: list[Product], visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django takes `"schema"."table"` for one name that is quoted already."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA store; ALTER TABLE shop_product SET SCHEMA store")
    name = '"store"."shop_product"'
    for field in Product._meta.concrete_fields:  # Django keeps each column with its table's name
        monkeypatch.setitem(vars(field), "cached_col", field.get_col(name))
    monkeypatch.setattr(Product._meta, "db_table", name)
    Event.objects.create(visitor=visitor, item_id=0, kind=VIEW, at=NEWEST, source=Event.Source.SHOP)
    assert (len(export_items()), len(export_events())) == (len(products), len(events))
    assert count_left_out() == {"no_item": 1}


def test_an_empty_shop_has_an_empty_log_and_an_empty_catalogue(db: None) -> None:
    assert len(export_events()) == 0
    assert len(export_items()) == 0


def test_items_come_by_key_with_all_that_the_catalogue_declares(products: list[Product]) -> None:
    Product.objects.filter(pk=products[1].pk).update(is_active=False, description="Unsalted")
    table = export_items()
    assert table.item.tolist() == [product.pk for product in products]
    assert table.title == ["Milk", "Butter", "Cheese"]
    assert table.text == ["Milk", "Butter\nUnsalted", "Cheese"]
    assert set(table.attributes) == set(ProductCatalog.attributes)
    assert table.attributes["category__department__name"] == ["Dairy"] * 3
    assert table.attributes["size"] == ["", "", ""]
    assert table.price_cents is not None
    assert table.price_cents.tolist() == [199.0, 349.0, 599.0]


def test_a_catalogue_that_declares_nothing_gives_keys_only(products: list[Product]) -> None:
    class Bare(Catalog):
        pass

    register(Bare)
    try:
        table = export_items()
    finally:
        register(ProductCatalog)
    assert table.title == [str(product.pk) for product in products]
    assert table.text == ["", "", ""]
    assert table.attributes == {}
    assert table.price_cents is None


def test_when_items_came_is_in_seconds() -> None:
    class Dated(Catalog):
        price_cents = "price_cents"
        added_at = "created"

    columns = [["a", "b", "c", "d"], [199, 349, None, 5], [NEWEST, date(1970, 1, 2), None, 2026]]
    table = _table(Dated(), np.arange(4), columns)
    assert table.added_at is not None and table.price_cents is not None
    assert table.price_cents.tolist()[:2] == [199.0, 349.0]
    assert table.added_at.tolist()[:2] == [NEWEST.timestamp(), 86_400.0]
    assert np.isnan(table.added_at[2:]).all()  # a year says too little


def test_a_lookup_over_many_rows_gives_one_row_an_item(products: list[Product], visitor: Visitor) -> None:
    class ByNeighbours(Catalog):
        attributes = ("category__products__name",)

    register(ByNeighbours)
    try:
        table = export_items()
    finally:
        register(ProductCatalog)
    assert len(table) == 3
    assert set(table.attributes["category__products__name"][0].split(", ")) == {"Milk", "Butter", "Cheese"}


def test_commas_of_a_value_are_not_taken_for_several_values(products: list[Product]) -> None:
    class ByNeighbours(Catalog):
        title = "name"
        text = ("name",)
        attributes = ("category__products__name",)

    names = ["Milk, 1 l", "Butter, salted", "Cheese"]
    for product, name in zip(products, names, strict=True):
        Product.objects.filter(pk=product.pk).update(name=name)
    register(ByNeighbours)
    try:
        table = export_items()
    finally:
        register(ProductCatalog)
    assert (table.title, table.text) == (names, names)
    assert len(table.attributes["category__products__name"][0]) == len(", ".join(names))


def test_what_one_of_several_rows_lacks_is_not_a_value() -> None:
    assert _joined([None, "red", None, "red"]) == "red"
    assert _joined([None, "red", "blue"]) == "red, blue"
    assert _joined([199, 199]) == 199
    assert _joined([None, None]) is None
