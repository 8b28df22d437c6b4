"""An entry as it is shown: the catalogue's title, address, picture and price, for the page and for the API alike."""

from dataclasses import dataclass
from typing import Any

from recommender.catalog import get_catalog
from recommender.serving.query import Entry


@dataclass(frozen=True, slots=True)
class Card:
    """What a template or a JSON client needs of one item; addresses as the catalogue gives them, "" where unknown."""

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


def card(entry: Entry) -> Card:
    """Ask the catalogue once for everything that is shown."""
    catalog, item = get_catalog(), entry.item
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
