"""What every page of the shop knows."""

from typing import Final

from django.core.cache import cache
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from shop.basket import Basket
from shop.models import Department, Product

DEPARTMENTS_SECONDS: Final = 60  # looking through 91,000 products takes 30 ms, too long for every page


def shop(request: HttpRequest) -> dict[str, object]:
    """`departments` with something on the shelf (asked only by pages that show them), pieces in the basket."""
    if not hasattr(request, "session"):  # an error before the middleware ran
        return {}
    return {"departments": SimpleLazyObject(_departments), "basket_count": len(Basket(request))}


def _departments() -> list[Department]:
    return cache.get_or_set("shop:departments", _with_something_on_the_shelf, DEPARTMENTS_SECONDS) or []


def _with_something_on_the_shelf() -> list[Department]:
    products = Product.objects.on_shelf().filter(category__department=OuterRef("pk"))
    return list(Department.objects.filter(Exists(products)))
