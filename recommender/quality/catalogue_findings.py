"""What is missing in the catalogue, judged field by field."""

from collections.abc import Iterator, Sequence
from typing import Final

from django.utils.translation import gettext as _

from recommender.quality.catalogue import Catalogue
from recommender.quality.findings import GREEN, YELLOW, Finding, count, judged, light, percent, share

# From which share of items without it on the light is yellow, and red.
TITLE: Final = (0.001, 0.05)
TEXT: Final = (0.10, 0.50)
ATTRIBUTE: Final = (0.30, 0.90)
PRICE: Final = (0.01, 0.20)
PICTURE: Final = (0.05, 0.50)


def catalogue_findings(found: Catalogue) -> list[Finding]:
    """Titles, texts, attributes, prices and pictures."""
    return [*_fields(found), _pictures(found)]


def _fields(found: Catalogue) -> Iterator[Finding]:
    yield _field(
        found, "title", _("Titles"), [found.title], TITLE, _("Shoppers see lists of nameless items: fill them in.")
    )
    texts = _("New items are placed by their words: fill in descriptions, or name other fields in Catalog.text.")
    yield _field(found, "text", _("Texts"), found.texts, TEXT, texts)
    attributes = _("New items are placed by category, brand and the like: fill them in, or name fuller fields.")
    yield _field(found, "attributes", _("Attributes"), found.attributes, ATTRIBUTE, attributes)
    prices = _("Lists show items without a price: fill it in, or leave such items out of Catalog.available.")
    yield _field(found, "price", _("Prices"), [found.price], PRICE, prices)


def _field(
    found: Catalogue, code: str, title: str, lookups: Sequence[str], limits: tuple[float, float], advice: str
) -> Finding:
    """Judged by the emptiest of its lookups; a catalogue that names none is told what that costs."""
    named = [lookup for lookup in lookups if lookup]
    if not named:
        return Finding(code, YELLOW, title, _("The Catalog in recommendations.py names no such field."), advice)
    missing = {lookup: found.missing[lookup] for lookup in named if found.missing[lookup]}
    worst = max(missing.values(), default=0)
    shown = ", ".join(
        f"{lookup} {percent(items, found.items)}"
        for lookup, items in sorted(missing.items(), key=lambda pair: -pair[1])
    )
    text = (
        _("Empty: %(fields)s.") % {"fields": shown}
        if shown
        else _("Complete for all %(items)s items.") % {"items": count(found.items)}
    )
    return judged(code, light(share(worst, found.items), *limits), title, text, advice)


def _pictures(found: Catalogue) -> Finding:
    advice = _("Lists without pictures are clicked less: fill them in, and name the field in Catalog.image.")
    if not found.pictures_asked:
        is_empty = found.items == 0
        text = _("The Catalog in recommendations.py names no such field.")
        return judged("picture", GREEN if is_empty else YELLOW, _("Pictures"), text, advice)
    text = _("%(share)s of the newest %(items)s items have no picture.") % {
        "share": percent(found.pictures_missing, found.pictures_asked),
        "items": count(found.pictures_asked),
    }
    colour = light(share(found.pictures_missing, found.pictures_asked), *PICTURE)
    return judged("picture", colour, _("Pictures"), text, advice)
