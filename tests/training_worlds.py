"""A shop small enough to be trained in seconds, with a pattern that a model can learn."""

import numpy as np

from recommender.models import Visitor
from shop.models import Product
from tests.worlds import make_event, make_products


def make_trainable_shop(visitors: int = 30, products: int = 12, purchases: int = 10) -> list[Product]:
    """Visitors of two tastes who buy the products of their taste, one a day; enough events for a training."""
    shelf = make_products(products)
    random = np.random.default_rng(0)
    for number in range(visitors):
        visitor = Visitor.objects.create()
        taste = shelf[number % 2 :: 2]
        for day in range(purchases):
            make_event(visitor, taste[random.integers(len(taste))], days_ago=float(purchases - day))
    return shelf
