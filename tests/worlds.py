"""Tiny demo shops with a known right answer: hand-made vectors instead of a training."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from recommender.capture.tables import PURCHASE
from recommender.index.publish import publish
from recommender.index.writer import write_version
from recommender.models import Event, ModelVersion, TrainingRun, Visitor
from shop.models import Category, Department, Product
from tests.tiny_tables import tiny_table

PASSED = {"passed": True, "reasons": [], "metrics": {}}


def make_products(n: int, prefix: str = "Product") -> list[Product]:
    """n available products of one category: "Product 0", "Product 1", ..."""
    department, _ = Department.objects.get_or_create(name="Pantry", slug="pantry")
    category, _ = Category.objects.get_or_create(department=department, name="Tins", slug="tins")
    return Product.objects.bulk_create(
        Product(name=f"{prefix} {number}", category=category, price_cents=100 + number, stock=10) for number in range(n)
    )


def make_event(visitor: Visitor, item: Any, kind: int = PURCHASE, days_ago: float = 0.0) -> Event:
    """One stored event on a product or an item key."""
    at = timezone.now() - timedelta(days=days_ago)
    item_id = getattr(item, "pk", item)
    return Event.objects.create(visitor=visitor, item_id=item_id, kind=kind, at=at, source=Event.Source.SHOP)


def write_tiny_version(
    products: Sequence[Any], visitors: Sequence[Visitor] = (), *, groups: int = 2, **changes: Any
) -> ModelVersion:
    """A version that is not live; `changes` replace fields of the table."""
    table = replace(tiny_table(products, visitors, groups=groups), **changes)
    run = TrainingRun.objects.create(status=TrainingRun.Status.PUBLISHED, trigger=TrainingRun.Trigger.COMMAND)
    return write_version(run, table, PASSED)


def publish_tiny_version(
    products: Sequence[Any], visitors: Sequence[Visitor] = (), *, groups: int = 2, **changes: Any
) -> ModelVersion:
    """A live version of hand-made vectors, see `tiny_table`."""
    return publish(write_tiny_version(products, visitors, groups=groups, **changes))


def make_listed_products(n: int = 20) -> list[Product]:
    """Products with a live version of hand-made vectors."""
    products = make_products(n)
    publish_tiny_version(products)
    return products
