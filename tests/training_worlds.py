"""A shop small enough to be trained in seconds, with a pattern that a model can learn."""

from datetime import timedelta

import numpy as np
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.tables import PURCHASE
from recommender.models import Event, Visitor
from shop.models import Product
from tests.worlds import make_products


def make_trainable_shop(visitors: int = 60, products: int = 30, purchases: int = 8) -> list[Product]:
    """Every visitor walks along the same shelf, one product a day, from a place of their own: what comes next is sure.

    Nobody buys anything twice and all products sell alike, so habits and popularity tell nothing.
    """
    shelf = make_products(products)
    random = np.random.default_rng(0)
    now = timezone.now()
    events = []
    for visitor in Visitor.objects.bulk_create(Visitor() for _ in range(visitors)):
        place = int(random.integers(products))
        for day in range(purchases):
            item = shelf[(place + day) % products]
            at = now - timedelta(days=purchases - day)
            events.append(
                Event(id=uuid7(), visitor=visitor, item_id=item.pk, kind=PURCHASE, at=at, source=Event.Source.SHOP)
            )
    Event.objects.bulk_create(events)
    return shelf
