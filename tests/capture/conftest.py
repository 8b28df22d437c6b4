"""A shop with three products and a visitor."""

import pytest

from recommender.models import Visitor
from shop.models import Category, Department, Product


@pytest.fixture
def products(db: None) -> list[Product]:
    department = Department.objects.create(name="Dairy", slug="dairy")
    category = Category.objects.create(department=department, name="Milk", slug="milk")
    return [
        Product.objects.create(name=name, category=category, brand="National", price_cents=price)
        for name, price in (("Milk", 199), ("Butter", 349), ("Cheese", 599))
    ]


@pytest.fixture
def product(products: list[Product]) -> Product:
    return products[0]


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor.objects.create()
