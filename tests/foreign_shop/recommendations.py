from typing import Any

from django.db.models import QuerySet

from recommender.catalog import Catalog, register


@register
class ForeignCatalog(Catalog):
    title = "title"

    def available(self, items: QuerySet[Any]) -> QuerySet[Any]:
        return items.filter(in_print=True)
