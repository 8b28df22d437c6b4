"""The lists of many visitors for a mailing, a row an item, in batches: nothing grows with the number of visitors.

Every list has its signed token, as on a page: a click that comes back with it is counted for the list.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from django.db.models import QuerySet

from recommender.capture.audience import consenting, people
from recommender.models import Visitor
from recommender.serving.breaker import OPEN_SECONDS, is_hurried, new_page
from recommender.serving.cards import card
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend

VISITORS_AT_ONCE: Final = 200
MOST_WAITS: Final = 10  # of a second, with no good list in between: after that the database counts as slow for good


class Row(NamedTuple):
    """One item of one visitor's list; rows of a list stand together, in the order of its slots.

    Attributes:
        user: primary key of the account as text; None for a browser.
        version: the model version behind the list; None where none was needed.
        token: of the list; goes back with clicks.
        item: the shop's key.
        url, image_url, price, reason: "" where unknown.
    """

    visitor: str
    user: str | None
    placement: str
    rung: str
    version: int | None
    token: str
    slot: int
    item: str
    title: str
    url: str
    image_url: str
    price: str
    price_cents: int | None
    reason: str


@dataclass(slots=True)
class Tally:
    """How many visitors were asked about so far, and what became of them."""

    asked: int = 0
    rungs: Counter[str] = field(default_factory=Counter)  # which rung answered → lists
    empty: int = 0
    gone: int = 0  # erased, or consent withdrawn, while their lists were made


class Mailing:
    """Lists of all `visitors` who agreed to be remembered, written by whoever iterates over `batches`.

    Attributes:
        total: visitors with consent. without_consent: left out. tally: grows with every batch.
    """

    def __init__(self, visitors: "QuerySet[Visitor]", placement: str, n: int, base_url: str = "") -> None:
        self.placement, self.n, self.base_url = placement, n, base_url
        self.visitors = consenting(people(visitors))
        self.total = self.visitors.count()
        self.without_consent = people(visitors).count() - self.total
        self.tally = Tally()
        self._waits_left = MOST_WAITS

    def batches(self) -> Iterator[list[Row]]:
        """The rows of VISITORS_AT_ONCE visitors, again and again, in the order of their primary keys."""
        last = 0
        while batch := list(self.visitors.filter(pk__gt=last).order_by("pk")[:VISITORS_AT_ONCE]):
            last = batch[-1].pk
            lists = [(visitor.pk, self._rows(visitor)) for visitor in batch]
            # Whoever was erased while the lists were made must not be in the file.
            there = set(self.visitors.filter(pk__in=[visitor.pk for visitor in batch]).values_list("pk", flat=True))
            kept = [rows for key, rows in lists if key in there]
            self.tally.asked += len(batch)
            self.tally.gone += len(batch) - len(kept)
            self.tally.empty += sum(not rows for rows in kept)
            self.tally.rungs.update(rows[0].rung for rows in kept if rows)
            yield [row for rows in kept for row in rows]

    def _list(self, visitor: Visitor) -> Recommendations:
        """A page takes a simpler list where the database is slow for a moment; a mailing waits until it is over."""
        while True:
            new_page()
            found = recommend(Query(self.placement, visitor, self.n))
            if not is_hurried():
                self._waits_left = MOST_WAITS
            elif self._waits_left:
                self._waits_left -= 1
                time.sleep(OPEN_SECONDS)
                continue
            return found

    def _rows(self, visitor: Visitor) -> list[Row]:
        found = self._list(visitor)
        user = None if visitor.user_id is None else str(visitor.user_id)
        about = (str(visitor.key), user, found.placement, found.rung, found.version_id, found.token)
        return [Row(*about, *self._item(entry)) for entry in found.entries]

    def _item(self, entry: Any) -> tuple[Any, ...]:
        shown = card(entry)
        addresses = (urljoin(self.base_url, shown.url), shown.image_url and urljoin(self.base_url, shown.image_url))
        return (shown.slot, str(shown.id), shown.title, *addresses, shown.price, shown.price_cents, shown.reason)
