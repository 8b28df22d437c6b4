"""Products, an account, and browsers whose cookies live as in a real one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from shop.models import Product
from tests.worlds import make_products

PostView = Callable[..., HttpResponse]


@pytest.fixture
def products(db: None) -> list[Product]:
    return make_products(8)


@pytest.fixture
def product(products: list[Product]) -> Product:
    return products[0]


@pytest.fixture
def user(db: None) -> User:
    return get_user_model().objects.create_user("household-1", password="demo")


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": "Mozilla/5.0"})


@pytest.fixture
def post_view() -> PostView:
    """`post_view(browser, product, at=…)`: what the beacon sends."""

    def post(browser: Client, product: Product, at: Any = None, path: str = "/recommender/events/", **extra: Any):
        event = {"item": product.pk, "kind": "view", "at": (at or timezone.now()).isoformat()}
        return browser.post(path, {"events": [event]}, content_type="application/json", **extra)

    return post
