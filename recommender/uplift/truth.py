"""What visitors really bought in the newest weeks, taken out of the event table before anything learns from it."""

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from psycopg import sql

from recommender.exceptions import ReplayRefused
from recommender.models import Event, Visitor

COLUMNS: Final = ("visitor", "item", "at", "quantity", "value_cents")


class Line(NamedTuple):
    """One item of a basket: pieces, and cents of all of them ("" where unknown)."""

    item: str
    quantity: str
    value_cents: str


@dataclass
class Basket:
    """What one visitor bought on one day (UTC); `at` is its first purchase."""

    at: datetime
    lines: list[Line] = field(default_factory=list)

    @property
    def items(self) -> set[str]:
        return {line.item for line in self.lines}


class Held(NamedTuple):
    """What was taken out."""

    cut: datetime
    purchases: int
    events: int


@transaction.atomic
def hold_back(days: int, path: Path) -> Held:
    """Write the purchases of the newest `days` into a file, and delete all events from then on.

    Raises:
        ReplayRefused: the file is there already, or there are no events.
    """
    if path.exists():
        raise ReplayRefused(f"{path} is there already: it may hold what was taken out before. Name another file.")
    newest = Event.objects.order_by("-at").values_list("at", flat=True).first()
    if newest is None:
        raise ReplayRefused("There are no events that could be held back.")
    cut = newest - timedelta(days=days)
    purchases = 0
    path.touch(mode=0o600, exist_ok=False)  # it names visitors
    with path.open("wb") as file, connection.cursor() as cursor:
        with cursor.copy(_truth_since(cut)) as copy:
            for block in copy:
                file.write(block)
                purchases += bytes(block).count(b"\n")
        deleted = Event.objects.filter(at__gte=cut)._raw_delete(using=connection.alias)
    return Held(cut, purchases - 1, deleted)  # the first line is the header


def read_truth(path: Path) -> dict[str, list[Basket]]:
    """Key of the visitor → its baskets, one a day, the first one first.

    Raises:
        ReplayRefused: the file is none that `hold_back` wrote.
    """
    by_day: dict[str, dict[Any, Basket]] = {}
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ReplayRefused(f"{path} is no file of recommender_hold_back: its columns are {rows.fieldnames}.")
        for row in rows:
            at = datetime.fromisoformat(row["at"]).astimezone(UTC)
            basket = by_day.setdefault(row["visitor"], {}).setdefault(at.date(), Basket(at))
            basket.lines.append(Line(row["item"], row["quantity"], row["value_cents"]))
    return {key: [days[day] for day in sorted(days)] for key, days in by_day.items()}


def _truth_since(cut: datetime) -> sql.Composed:
    """Of visitors who were known before: the others have nothing that a list could follow."""
    return sql.SQL(
        "COPY (SELECT key AS visitor, item_id AS item, at, quantity, value_cents FROM {event} AS own"
        " JOIN {visitor} AS visitor ON visitor.id = own.visitor_id"
        " WHERE kind = {purchase} AND doubt = 0 AND at >= {cut} AND EXISTS ("
        "SELECT FROM {event} AS earlier WHERE earlier.visitor_id = own.visitor_id AND earlier.at < {cut})"
        " ORDER BY at, own.id) TO STDOUT (FORMAT csv, HEADER)"
    ).format(
        event=sql.Identifier(Event._meta.db_table),
        visitor=sql.Identifier(Visitor._meta.db_table),
        purchase=sql.Literal(int(Event.Kind.PURCHASE)),
        cut=sql.Literal(cut),
    )
