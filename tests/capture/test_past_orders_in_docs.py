"""The loading of past orders in docs/guide.md, word for word, on the demo shop's own orders."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from recommender.models import Event
from shop.models import Order, OrderLine
from tests.plugin import ROOT
from tests.worlds import make_listed_products

BLOCK = re.compile(r"^### Past orders$.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.django_db
def test_past_orders_are_loaded_once() -> None:
    found = BLOCK.search((ROOT / "docs/guide.md").read_text(encoding="utf-8"))
    assert found is not None
    names: dict[str, object] = {}
    exec(compile(found[1], "docs/guide.md", "exec"), names)  # noqa: S102  that it runs is the claim
    load = names["load_past_orders"]
    assert callable(load)
    products, now = make_listed_products(3), timezone.now()
    for user, days in [(User.objects.create_user("household-1"), 40), (None, 40), (User.objects.get(), 0)]:
        order = Order.objects.create(user=user, placed_at=now - timedelta(days=days), total_cents=300)
        OrderLine.objects.create(order=order, product=products[1], quantity=2, value_cents=300)

    first, again = (load(now - timedelta(days=1)) for _ in range(2))

    assert (first.received, first.stored, again.duplicates) == (1, 1, 1)
    event = Event.objects.get(kind=Event.Kind.PURCHASE, item=products[1])
    assert (event.visitor.user, event.quantity, event.value_cents) == (User.objects.get(), 2, 300)
