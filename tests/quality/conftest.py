"""A shop where all is well: events of two days, with every field of the catalogue."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from recommender.models import Event, LedgerEntry, Visitor
from shop.models import Product
from tests.worlds import make_products

Add = Callable[..., list[Event]]


@pytest.fixture
def products(db: None) -> list[Product]:
    made = make_products(4)
    fields = {"description": "Tasty", "brand": "Own", "manufacturer": "M", "product_type": "tin", "size": "1"}
    Product.objects.update(picture="can", stock=5, **fields)
    return made


@pytest.fixture
def add(db: None) -> Add:
    """`add(visitor, product, events, **fields)`: one a minute, the newest an hour ago."""

    def make(visitor: Visitor, item: Any, events: int = 1, **fields: Any) -> list[Event]:
        newest = timezone.now() - timedelta(hours=1)
        values = {"kind": Event.Kind.VIEW, "source": Event.Source.BEACON, "item_id": getattr(item, "pk", item)} | fields
        made = [
            Event(**{"visitor": visitor, "at": newest - timedelta(minutes=number)} | values) for number in range(events)
        ]
        Event.objects.bulk_create(made)
        return made

    return make


@pytest.fixture
def shop(products: list[Product], add: Add) -> Visitor:
    visitor = Visitor.objects.create()
    for product in products:
        add(visitor, product, 25, clock_skew_seconds=1)
        add(visitor, product, 1, kind=Event.Kind.CLICK, impression={"list": "l"}, clock_skew_seconds=-2)
    book(received=104, stored=104)
    return visitor


def book(**rows: int) -> None:
    zeros = dict.fromkeys(("received", "stored", "duplicate", "quarantined", "refused"), 0)
    LedgerEntry.objects.create(day=timezone.now().date(), source=Event.Source.BEACON, **zeros | rows)
