"""Every recorded shopper once in each arm: a visitor with a copy of the history, and a clock of its own."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from recommender.experiments.assignment import arm_of
from recommender.models import Arm, Event, Experiment, Impression, Visitor

# The same time and version in the id, so it lies in the same partition; the rest is new.
_COPY: Final = f"""
INSERT INTO {Event._meta.db_table}
    (id, visitor_id, item_id, kind, at, quantity, value_cents, source, received_at, doubt)
SELECT (left(hex, 13) || substr(random, 1, 3) || substr(hex, 17, 1) || substr(random, 4, 15))::uuid,
    %(twin)s, item_id, kind, at + %(offset)s::interval, quantity, value_cents, source, received_at, doubt
FROM (SELECT *, replace(id::text, '-', '') AS hex, replace(gen_random_uuid()::text, '-', '') AS random
    FROM {Event._meta.db_table} WHERE visitor_id = %(visitor)s) AS own
"""  # noqa: S608  names of our own


@dataclass
class Twin:
    """One shopper in one arm.

    Its history is kept as old as it was when each basket was bought: what is stored of it moves, since nobody can move
    the clocks of the server and the database.

    Attributes:
        offset: stored time less the time that the twin lives in.
        owned: keys of what it has bought, as text. slots, discoveries: seen ones, and clicks on what it had not bought.
        rungs: rung → lists that it answered.
    """

    visitor: Visitor
    shopper: str
    arm: int
    offset: timedelta
    owned: set[str]
    slots: int = 0
    discoveries: int = 0
    rungs: dict[str, int] = field(default_factory=dict)

    def wake_at(self, moment: datetime) -> None:
        """From here on it is `moment` for this twin."""
        offset = timezone.now() - moment
        moved = offset - self.offset
        self.offset = offset
        with transaction.atomic(), connection.cursor() as cursor:
            for table, column in ((Event._meta.db_table, "at"), (Impression._meta.db_table, "seen_at")):
                cursor.execute(
                    f"UPDATE {table} SET {column} = {column} + %s::interval WHERE visitor_id = %s",  # noqa: S608
                    [str(moved), self.visitor.pk],
                )


def make_twin(shopper: Visitor, experiment: Experiment, arms: list[Arm], place: int, begins: datetime) -> Twin:
    """A new visitor that falls into arm number `place`, with the shopper's events; it lives at `begins`."""
    weights = [arm.weight for arm in arms]
    key = uuid4()
    while arm_of(experiment.salt, str(key), experiment.share, weights) != place:
        key = uuid4()
    offset = timezone.now() - begins
    with transaction.atomic(), connection.cursor() as cursor:
        twin = Visitor.objects.create(key=key)
        cursor.execute(_COPY, {"twin": twin.pk, "visitor": shopper.pk, "offset": str(offset)})
    bought = Event.objects.filter(visitor=twin.pk, kind=Event.Kind.PURCHASE).values_list("item_id", flat=True)
    return Twin(twin, str(shopper.key), arms[place].pk, offset, {str(item) for item in bought})
