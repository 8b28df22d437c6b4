"""What the plugin may know of our products."""

from typing import Any

from django.db.models import QuerySet

from recommender.catalog import Catalog, register
from shop.money import price


@register
class ProductCatalog(Catalog):
    title = "name"
    text = ("name", "description")
    attributes = ("category__department__name", "category__name", "product_type", "brand", "manufacturer", "size")
    price_cents = "price_cents"
    image = "image_url"
    select_related = ("category__department",)

    def available(self, items: QuerySet[Any]) -> QuerySet[Any]:
        return items.filter(is_active=True, stock__gt=0)

    def item_price(self, item: Any) -> str:
        return price(item.price_cents)
