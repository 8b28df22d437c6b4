"""An entry as it is shown: the catalogue's title, address, picture and price, for the page and for the API alike."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import Error

from recommender.catalog import get_catalog
from recommender.serving.query import Entry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """What a template or a JSON client needs of one item; addresses as the catalogue gives them, "" where unknown.

    Attributes:
        item: the shop's own object; None in a list that was kept for an outage.
    """

    item: Any
    id: Any
    title: str
    url: str
    image_url: str
    price: str
    price_cents: int | None
    score: float
    reason: str
    slot: int

    @property
    def pk(self) -> Any:
        """As the shop's own object has it."""
        return self.id


def card(entry: Entry) -> Card:
    """Ask the catalogue once for everything that is shown."""
    catalog, item = get_catalog(), entry.item
    if isinstance(item, Card):
        return replace(item, slot=entry.slot)
    return Card(
        item=item,
        id=item.pk,
        title=catalog.item_title(item),
        url=catalog.item_url(item),
        image_url=catalog.item_image_url(item),
        price=catalog.item_price(item),
        price_cents=catalog.item_price_cents(item),
        score=round(entry.score, 6),
        reason=entry.reason,
        slot=entry.slot,
    )


def cards_of(entries: Iterable[Entry]) -> list[Card]:
    """As `card`, in order; without those that the shop's catalogue class fails on, and none where it asks a database
    that is gone since the list was made."""
    try:
        return [shown for entry in entries if (shown := _card_or_none(entry)) is not None]
    except Error:
        logger.warning("A list cannot be shown: add to Catalog.select_related what its cards need.", exc_info=True)
        return []


def _card_or_none(entry: Entry) -> Card | None:
    try:
        return card(entry)
    except Error:
        raise
    except Exception:
        # The shop's own code, which may raise whatever it likes: one product without an address must not cost the page.
        if settings.DEBUG:
            raise
        logger.exception("Item %s has no card: the catalogue class fails on it.", entry.item.pk)
        return None


def plain(shown: Card) -> Card:
    """The same without the shop's object, of types that JSON has."""
    return replace(
        shown,
        item=None,
        id=shown.id if isinstance(shown.id, int) else str(shown.id),
        title=str(shown.title),
        url=str(shown.url),
        image_url=str(shown.image_url),
        price=str(shown.price),
        price_cents=None if shown.price_cents is None else int(shown.price_cents),
        score=float(shown.score),
        reason=str(shown.reason),
    )
