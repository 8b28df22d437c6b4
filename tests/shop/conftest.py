"""A tiny shop: three products in two departments."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from recommender.signals import item_added, item_viewed, order_placed
from shop.models import Category, Department, Household, Product


@pytest.fixture
def dairy(db: None) -> Category:
    department = Department.objects.create(name="Milk, Cheese & Eggs", slug="dairy-eggs", picture="milk-210")
    return Category.objects.create(department=department, name="Milk", slug="dairy-eggs-milk")


@pytest.fixture
def milk(dairy: Category) -> Product:
    return Product.objects.create(
        name="Fresh Milk, 1 gal",
        description="Fresh Milk, 1 gal, our own brand.",
        category=dairy,
        product_type="Fresh Milk",
        size="1 gal",
        brand="Own Brand",
        picture="milk-210",
        price_cents=269,
        stock=5,
        times_bought=10,
    )


@pytest.fixture
def chocolate_milk(dairy: Category) -> Product:
    return Product.objects.create(
        name="Chocolate Milk",
        category=dairy,
        product_type="Chocolate Milk",
        picture="milk-30",
        price_cents=100,
        stock=50,
    )


@pytest.fixture
def bread(db: None) -> Product:
    department = Department.objects.create(name="Bread & Bakery", slug="bread-bakery", picture="loaf-30")
    category = Category.objects.create(department=department, name="Bread", slug="bread-bakery-bread")
    return Product.objects.create(name="White Bread", category=category, picture="loaf-30", price_cents=99, stock=50)


@pytest.fixture
def three_products(milk: Product, chocolate_milk: Product, bread: Product) -> list[Product]:
    return [milk, chocolate_milk, bread]


@pytest.fixture
def household(db: None) -> Household:
    user = get_user_model().objects.create_user("household-7", password="demo", first_name="Household", last_name="7")
    return Household.objects.create(user=user, number=7, age_band="45-54", size="2", is_demo_login=True)


@pytest.fixture
def sent_signals() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the shop told the plugin: (signal's name, its arguments)."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def listener(name: str) -> Any:
        def remember(sender: object, **arguments: Any) -> None:
            sent.append((name, arguments))

        return remember

    signals = {"item_viewed": item_viewed, "item_added": item_added, "order_placed": order_placed}
    listeners = {name: listener(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(listeners[name])
    yield sent
    for name, signal in signals.items():
        signal.disconnect(listeners[name])
