"""System checks of the shop's catalogue class: what is wrong in it should not first be seen on a page."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import NotSupportedError
from django.db.models import F

from recommender.catalog import Catalog, all_items, get_catalog, item_model, shop_items
from recommender.checks import TAG, check_item_model
from recommender.exceptions import CatalogNotFound

logger = logging.getLogger(__name__)

# Catalogue lookups that are read by `values_list`.
IN_VALUES: Final = ("title", "price_cents", "text", "attributes", "category", "added_at")
# Catalogue lookups that a card shows, and the method that reads them.
SHOWN: Final = {"title": "item_title", "category": "item_category", "price_cents": "item_price_cents"}
HINTS: Final = {
    "title": "Name a database field here. Where a title is translated or computed, name one that is always filled, and"
    " override item_title(), which is what shoppers read.",
    "available": "It may only filter: no slice, no union.",
}


@register(TAG)
def check_catalog(**kwargs: Any) -> list[CheckMessage]:
    """W001: a catalogue is registered. E002: its lookups lead to fields of the item model, and it filters by such.
    W009: prices in cents."""
    if check_item_model():
        return []  # reported there, and nothing here can be looked up
    try:
        catalog = get_catalog()
    except CatalogNotFound as error:
        return [Warning("No catalogue is registered.", hint=str(error), id="recommender.W001")]
    name = type(catalog).__qualname__
    found: list[CheckMessage] = [
        Error(
            f"{name}.{attribute} is wrong: {problem}",
            hint=HINTS.get(attribute),
            obj=type(catalog),
            id="recommender.E002",
        )
        for attribute, problem in (*_wrong_lookups(catalog), *_shown_of_many(catalog), *_wrong_available(catalog))
    ]
    if not found and catalog.price_cents and _has_decimals(catalog.price_cents):
        message = f"{name}.price_cents leads to a field with decimal places: a price of 9.99 would be 0.10."
        hint = "Give the item model a field in whole cents; docs/guide.md, “Prices”, shows a generated one."
        found.append(Warning(message, hint=hint, obj=type(catalog), id="recommender.W009"))
    return found


def _wrong_lookups(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """(attribute of the catalogue, what is wrong with it)."""
    items = all_items()
    for attribute in ("text", "attributes", "select_related"):
        if isinstance(getattr(catalog, attribute), str):
            yield attribute, f'it is a text; write a list: ["{getattr(catalog, attribute)}"].'
            return
    for attribute in IN_VALUES:
        for lookup in _lookups(getattr(catalog, attribute)):
            try:
                items.values_list(lookup)
            except FieldError as error:
                yield attribute, str(error)
    for attribute in ("image", "variant_group"):
        for lookup in _lookups(getattr(catalog, attribute)):
            if not hasattr(item_model(), lookup.split("__")[0]):
                yield attribute, f"{item_model().__name__} has no field or property “{lookup.split('__')[0]}”."
    try:
        str(items.select_related(*catalog.select_related).query)
    except FieldError as error:
        yield "select_related", str(error)


def _wrong_available(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """As above, of what each list of each page would fail with; written as SQL, never run."""
    try:
        found = catalog.available(shop_items())
        str(found.order_by().filter(pk__isnull=False).values("pk").query)
    except (FieldError, TypeError, NotSupportedError) as error:  # a name, a slice, a union
        yield "available", str(error)
    except Exception:
        # The shop's own code may need a request, or tables that the migrate which runs this check is still to make.
        logger.debug("available() was not checked.", exc_info=True)


def _shown_of_many(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """As above, of what would fail on the page only."""
    for attribute, method in SHOWN.items():
        lookup = getattr(catalog, attribute)
        if lookup and getattr(type(catalog), method) is getattr(Catalog, method) and _is_of_many(lookup):
            yield attribute, f"“{lookup}” has several values for an item, and a card shows one: write {method}()."


def _is_of_many(lookup: str) -> bool:
    """Whether it goes through a link to many rows, which an attribute or a text may, but nothing that is shown."""
    model: Any = item_model()
    for name in lookup.split("__"):
        try:
            field = model._meta.get_field(name)
        except (AttributeError, FieldDoesNotExist):  # "pk", a transform, or nothing, which is reported above
            return False
        if field.many_to_many or field.one_to_many:
            return True
        model = field.related_model
    return False


def _has_decimals(lookup: str) -> bool:
    field = F(lookup).resolve_expression(all_items().query).output_field
    return getattr(field, "decimal_places", 0) != 0


def _lookups(declared: str | Iterable[str] | None) -> list[str]:
    return [declared] if isinstance(declared, str) else list(declared or ())
