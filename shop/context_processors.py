"""What every page of the shop knows."""

from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from shop.basket import Basket
from shop.models import Department, Product


def shop(request: HttpRequest) -> dict[str, object]:
    """`departments` with something on the shelf (asked only by pages that show them), pieces in the basket."""
    if not hasattr(request, "session"):  # an error before the middleware ran
        return {}
    return {"departments": SimpleLazyObject(_departments), "basket_count": len(Basket(request))}


def _departments() -> list[Department]:
    products = Product.objects.on_shelf().filter(category__department=OuterRef("pk"))
    return list(Department.objects.filter(Exists(products)))
