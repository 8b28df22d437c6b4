"""What the plugin may know of the shop's items: the only place that names the shop's fields.

A shop writes one class in `recommendations.py` of the app that owns the item model::

    from recommender.catalog import Catalog, register

    @register
    class ProductCatalog(Catalog):
        title = "name"
        text = ["name", "description"]
        attributes = ["department__name", "brand"]
        price_cents = "price_cents"
        image = "image_url"

        def available(self, products):
            return products.filter(is_active=True, stock__gt=0)
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from django.apps import apps
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext as _

from recommender.conf import conf
from recommender.exceptions import CatalogNotFound


class Catalog:
    """Declares an item's fields by ORM lookups (`"department__name"`); override a method where a lookup is not enough.

    Lookups are used twice: in one `values_list` over the whole catalogue at training, and on single items at display.
    """

    title: ClassVar[str] = "pk"
    text: ClassVar[Sequence[str]] = ()
    attributes: ClassVar[Sequence[str]] = ()
    price_cents: ClassVar[str | None] = None
    image: ClassVar[str | None] = None
    category: ClassVar[str | None] = None  # as shoppers call it: "Popular in Dairy today"
    variant_group: ClassVar[str | None] = None
    added_at: ClassVar[str | None] = None  # the time when an item came; without it a higher key is newer
    # The kind of item by which visitors are told apart while nothing finer answers; the first attribute unless given.
    segment: ClassVar[str | None] = None
    select_related: ClassVar[Sequence[str]] = ()

    def available(self, items: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow to what may be shown right now (in stock, published), by `filter` or `exclude`: no slice, no union.

        It is joined into every retrieval, so its conditions should be cheap for one item; its ordering is not used.
        """
        return items

    def item_group(self, item: Model) -> Any:
        """What the variants of one product share, sizes and colours for example; None where an item stands alone.

        A page shows one of them.
        """
        return follow(item, self.variant_group) if self.variant_group else None

    def basket(self, request: HttpRequest) -> Iterable[Any]:
        """Keys of what lies in this browser's basket: most lists leave it out. Called once a page, so keep it cheap."""
        return ()

    def search(self, items: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Those of `items` that `text` names, best first, in Postgres' full text.

        Looks through every title: fine for some ten thousand items. Override it where the shop has an index.
        """
        title, query = (
            SearchVector(self.title, config="simple"),
            SearchQuery(text, config="simple", search_type="websearch"),
        )
        found = items.annotate(recommender_title=title, recommender_rank=SearchRank(title, query))
        best_first: QuerySet[Any] = found.filter(recommender_title=query).order_by("-recommender_rank", "pk")
        return best_first

    def item_title(self, item: Model) -> str:
        return str(follow(item, self.title))

    def item_category(self, item: Model) -> str:
        """As shoppers read it; "" where unknown."""
        return str(follow(item, self.category) or "") if self.category else ""

    def item_url(self, item: Model) -> str:
        return item.get_absolute_url() if hasattr(item, "get_absolute_url") else ""

    def item_image_url(self, item: Model) -> str:
        """URL of a picture, or "" where there is none; takes text and file fields."""
        value = follow(item, self.image) if self.image else None
        return str(getattr(value, "url", value)) if value else ""

    def item_price_cents(self, item: Model) -> int | None:
        return follow(item, self.price_cents) if self.price_cents else None

    def item_price(self, item: Model) -> str:
        """The price as the shopper's language writes it; "" where unknown. Override it to add a currency."""
        cents = self.item_price_cents(item)
        return "" if cents is None else number_format(cents / 100, 2)


def follow(item: Any, lookup: str) -> Any:
    """`follow(product, "department__name")` → `product.department.name`; None where a link is empty."""
    for name in lookup.split("__"):
        if item is None:
            return None
        try:
            item = getattr(item, name)
        except ObjectDoesNotExist:  # the other end of a OneToOneField, where nothing points at this item
            return None
    return item


_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_registered: list[Catalog] = []


def register(catalog_class: type[Catalog]) -> type[Catalog]:
    """Class decorator: make this the catalogue of RECOMMENDER_ITEM_MODEL; the last one registered wins."""
    _registered[:] = [catalog_class()]
    return catalog_class


def autodiscover() -> None:
    """Import `recommendations.py` of every installed app, as admin does with `admin.py`."""
    autodiscover_modules("recommendations")


def get_catalog() -> Catalog:
    """The registered catalogue.

    Raises:
        CatalogNotFound: no app has a `recommendations.py` with a `@register` class.
    """
    if not _registered:
        raise CatalogNotFound(CatalogNotFound.__doc__)
    return _registered[0]


def item_model() -> type[Model]:
    """The model class named by RECOMMENDER_ITEM_MODEL."""
    return apps.get_model(conf.ITEM_MODEL)


def all_items() -> QuerySet[Any]:
    """Every item, also those that the shop's default manager hides; from where `shop_items` reads."""
    return item_model()._base_manager.using(DEFAULT_DB_ALIAS)


def shop_items() -> QuerySet[Any]:
    """Items as the shop's default manager shows them; never from a replica, where a router reads the shop's own pages:
    what was saved a moment ago is not there yet, and the budget of lists does not hold."""
    return item_model()._default_manager.using(DEFAULT_DB_ALIAS)


def key_field() -> "Field[Any, Any]":
    """The field that holds the shop's key: integer, UUID or text; the parent's where the key is a link to it."""
    field: Field[Any, Any] = item_model()._meta.pk
    while field.remote_field is not None:
        field = field.target_field  # type: ignore[attr-defined]
    return field


def item_key(raw: object) -> Any:
    """The shop's key out of an address, a message or a table, in the key field's own type; it may not exist.

    Raises:
        ValidationError: no key of the item model looks like that (wrong type, out of range, too long, a NUL byte).
    """
    if isinstance(raw, bool | float | list | dict | None) or (isinstance(raw, str) and not _is_storable(raw)):
        raise ValidationError(_("This is no key of an item."), code="invalid")
    field = key_field()
    value = field.to_python(raw)
    field.run_validators(value)
    return value


def _is_storable(text: str) -> bool:
    """Postgres takes neither NUL bytes nor lone surrogates, and no shop has an empty key."""
    return bool(text) and "\0" not in text and not _SURROGATE.search(text)
