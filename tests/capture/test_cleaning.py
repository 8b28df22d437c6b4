"""What a training leaves out is counted by its reason: learned + left out = stored."""

from datetime import UTC, datetime, timedelta

import pytest

from recommender.capture.cleaning import HUMAN_PER_MINUTE, count_left_out
from recommender.capture.export import export_events
from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW
from recommender.models import Event, Visitor
from shop.models import Product

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def browse(
    visitor: Visitor, product: Product, events: int, kind: int = VIEW, seconds: float = 0.5, source: int = 1
) -> None:
    """`events` acts, one every `seconds`, from noon on."""
    Event.objects.bulk_create(
        Event(
            visitor=visitor,
            item=product,
            kind=kind,
            at=NOON + timedelta(seconds=seconds * number),
            source=source,
        )
        for number in range(events)
    )


def test_every_reason_is_counted(products: list[Product], visitor: Visitor) -> None:
    kept, gone = products[0], products[1]
    browse(visitor, kept, 3)
    browse(visitor, gone, 2)
    for doubt, events in ((Event.Doubt.CRAWLER, 4), (Event.Doubt.NO_TOKEN, 1)):
        Event.objects.bulk_create(
            Event(visitor=visitor, item=gone, kind=CLICK, at=NOON, source=1, doubt=doubt) for _ in range(events)
        )
    fast = Visitor.objects.create()
    browse(fast, kept, HUMAN_PER_MINUTE + 5)
    gone.delete()
    assert count_left_out() == {"inhuman": HUMAN_PER_MINUTE + 5, "crawler": 4, "no_item": 2, "no_token": 1}
    assert len(export_events()) + sum(count_left_out().values()) == Event.objects.count()
    until = NOON + timedelta(seconds=1)
    before = Event.objects.filter(at__lt=until).count()
    assert len(export_events(until)) + sum(count_left_out(until).values()) == before


def test_an_inhuman_visitor_loses_the_browsing_and_keeps_the_orders(product: Product, visitor: Visitor) -> None:
    browse(visitor, product, HUMAN_PER_MINUTE + 1)
    browse(visitor, product, 2, kind=PURCHASE, source=Event.Source.SHOP)
    assert export_events().kind.tolist() == [PURCHASE, PURCHASE]
    assert count_left_out() == {"inhuman": HUMAN_PER_MINUTE + 1}


@pytest.mark.parametrize(
    ("events", "kind", "seconds", "source"),
    [
        (HUMAN_PER_MINUTE, VIEW, 0.5, Event.Source.BEACON),  # just human
        (500, VIEW, 2.0, Event.Source.BEACON),  # for long, not fast
        (200, CART, 0.1, Event.Source.SHOP),  # a till
        (200, VIEW, 0.0, Event.Source.BULK),  # an import that knows the day only
    ],
)
def test_what_is_no_sign_of_a_program(
    product: Product, visitor: Visitor, events: int, kind: int, seconds: float, source: int
) -> None:
    browse(visitor, product, events, kind, seconds, source)
    assert len(export_events()) == events
    assert count_left_out() == {}
