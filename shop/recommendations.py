"""What the plugin may know of our products."""

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest

from recommender.catalog import Catalog, register
from shop.basket import Basket
from shop.models import ProductQuerySet
from shop.money import price
from shop.search import search_among


@register
class ProductCatalog(Catalog):
    title = "name"
    text = ("name", "description")
    attributes = ("category__department__name", "category__name", "product_type", "brand", "manufacturer", "size")
    category = "category__department__name"
    price_cents = "price_cents"
    image = "image_url"
    select_related = ("category__department",)

    def available(self, items: QuerySet[Any]) -> QuerySet[Any]:
        return items.filter(is_active=True, stock__gt=0)

    def item_category(self, item: Any) -> str:
        return str(item.category.department)  # in the language of the page

    def search(self, items: QuerySet[Any], text: str) -> QuerySet[Any]:
        return search_among(cast(ProductQuerySet, items), text)

    def basket(self, request: HttpRequest) -> Iterable[int]:
        return Basket(request).keys()

    def item_price(self, item: Any) -> str:
        return price(item.price_cents)
