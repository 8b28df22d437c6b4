"""Which of the fields that the shop's Catalog names are empty, and how often."""

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, Model, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import Exact

from recommender.catalog import Catalog, all_items, get_catalog

PICTURES_ASKED: Final = 500  # newest items: whether one has a picture is the Catalog's own code


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The shop's items, available or not.

    Attributes:
        missing: lookup of the Catalog → items without a value.
        texts, attributes: the lookups that are read as texts and as attributes. title, price: "" where none is named.
        pictures_asked, pictures_missing: items that were asked for their picture; those without.
    """

    items: int
    missing: dict[str, int]
    title: str
    texts: tuple[str, ...]
    attributes: tuple[str, ...]
    price: str
    pictures_asked: int
    pictures_missing: int


def read_catalogue() -> Catalogue:
    """Count in one statement, and ask the newest items for their pictures."""
    catalog = get_catalog()
    title = "" if catalog.title == "pk" else catalog.title
    price = catalog.price_cents or ""
    named = dict.fromkeys(name for name in (title, *catalog.text, *catalog.attributes, price) if name)
    counts = _missing(list(named))
    asked, without = _pictures(catalog)
    return Catalogue(
        items=counts[0],
        missing=dict(zip(named, counts[1:], strict=True)),
        title=title,
        texts=tuple(catalog.text),
        attributes=tuple(catalog.attributes),
        price=price,
        pictures_asked=asked,
        pictures_missing=without,
    )


def _missing(lookups: list[str]) -> list[int]:
    """[items, then of each lookup those without a value]; an item with several values (tags) counts once."""
    empty = {
        f"n{place}": Count("pk", distinct=True, filter=Exact(_as_text(lookup), Value("")))
        for place, lookup in enumerate(lookups)
    }
    found = all_items().order_by().aggregate(items=Count("pk", distinct=True), **empty)
    return [found["items"], *(found[name] for name in empty)]


def _as_text(lookup: str) -> Coalesce:
    return Coalesce(Cast(F(lookup), TextField()), Value(""), output_field=TextField())


def _pictures(catalog: Catalog) -> tuple[int, int]:
    if catalog.image is None and type(catalog).item_image_url is Catalog.item_image_url:
        return 0, 0
    newest: Any = all_items().select_related(*catalog.select_related).order_by("-pk")[:PICTURES_ASKED]
    pictures = [_picture(catalog, item) for item in newest]
    return len(pictures), pictures.count("")


def _picture(catalog: Catalog, item: Model) -> str:
    try:
        return catalog.item_image_url(item)
    except Exception:  # the shop's own code, asked for an item that may have no file: a list cannot show it either
        return ""
