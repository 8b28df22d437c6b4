"""What is credited to which list, once; who and what is left out."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.tables import CLICK, PURCHASE
from recommender.models import HOLDOUT_ARM, Event, Impression, Visitor
from recommender.serving.arms import arm_of
from recommender.uplift.attribution import outcomes, outcomes_of_holdout
from recommender.uplift.report import read_holdout
from shop.models import Product
from tests.worlds import make_products

pytestmark = pytest.mark.django_db
ARM, OTHER = 11, 12
NOW = timezone.now()


@pytest.fixture
def visitor() -> Visitor:
    return Visitor.objects.create()


@pytest.fixture
def products() -> list[Product]:
    return make_products(4)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def saw(
    visitor: Visitor, items: list[Product], days: float, *, arm: int | None = ARM, slots: Any = None, doubt: int = 0
) -> UUID:
    row = Impression.objects.create(
        list_id=uuid7(),
        visitor=visitor,
        placement="for_you",
        rung="personal",
        arm_id=arm,
        items=[str(item.pk) for item in items],
        slots=slots or list(range(1, len(items) + 1)),
        seen_at=days_ago(days),
        doubt=doubt,
    )
    return row.list_id


def did(visitor: Visitor, item: Product, kind: int, days: float, *, cents: int | None = None, doubt: int = 0) -> None:
    Event.objects.create(
        visitor=visitor, item=item, kind=kind, at=days_ago(days), value_cents=cents, source=1, doubt=doubt
    )


def row(arm: int = ARM) -> dict[str, float]:
    counted = outcomes([ARM, OTHER]).counted(arm)
    assert len(counted["slots"]) == 1
    return {name: float(values[0]) for name, values in counted.items()}


def test_clicks_and_purchases_are_credited(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2)
    did(visitor, products[1], CLICK, 1.9)
    did(visitor, products[1], PURCHASE, 1.8, cents=250)
    found = row()
    assert (found["slots"], found["clicks"], found["orders"], found["revenue_cents"]) == (4, 1, 1, 250)
    assert found["assisted"] == 0


def test_what_was_seen_but_not_clicked_is_assisted(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2)
    did(visitor, products[1], PURCHASE, 1.8, cents=250)
    found = row()
    assert (found["orders"], found["revenue_cents"], found["assisted"]) == (0, 0, 1)


def test_a_click_on_another_item_does_not_sell_this_one(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2)
    did(visitor, products[0], CLICK, 1.9)
    did(visitor, products[1], PURCHASE, 1.8)
    assert (row()["purchases"], row()["assisted"]) == (0, 1)


def test_a_slot_that_was_not_seen_earns_nothing(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2, slots=[1, 2])
    did(visitor, products[3], CLICK, 1.9)
    did(visitor, products[3], PURCHASE, 1.8)
    found = row()
    assert (found["slots"], found["clicks"], found["purchases"], found["assisted"]) == (2, 0, 0, 0)


@pytest.mark.parametrize(("days", "credited"), [(6.9, 1), (7.1, 0)])
def test_the_window_ends(visitor: Visitor, products: list[Product], days: float, credited: int) -> None:
    saw(visitor, products, 20)
    did(visitor, products[0], CLICK, 20 - days)
    assert row()["clicks"] == credited


def test_the_window_is_a_setting(visitor: Visitor, products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_ATTRIBUTION_DAYS = 1
    saw(visitor, products, 20)
    did(visitor, products[0], CLICK, 18.5)
    assert row()["clicks"] == 0


def test_nothing_is_credited_to_a_list_that_came_later(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products[:1], 5)
    did(visitor, products[1], CLICK, 4)
    saw(visitor, products[1:2], 3)
    assert row()["clicks"] == 0


def test_the_report_of_a_list_may_come_after_its_click(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2)
    did(visitor, products[0], CLICK, 2 + 30 / 86_400)
    assert row()["clicks"] == 1


def test_a_list_earns_an_item_once(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 6)
    for days in (5.9, 5.8, 5.7):
        did(visitor, products[0], CLICK, days)
    for days in (5.5, 4.5):
        did(visitor, products[0], PURCHASE, days, cents=100)
    found = row()
    assert (found["clicks"], found["purchases"], found["revenue_cents"]) == (1, 1, 100)


def test_of_two_lists_the_last_seen_one_earns(visitor: Visitor, products: list[Product]) -> None:
    """The click on the first list counts for the purchase; both acts are credited once."""
    saw(visitor, products, 4)
    did(visitor, products[0], CLICK, 3.9)
    saw(visitor, products, 3)
    did(visitor, products[0], CLICK, 2.9)
    did(visitor, products[0], PURCHASE, 2.8)
    found = row()
    assert (found["clicks"], found["purchases"]) == (2, 1)


def test_lines_of_one_minute_are_one_order(visitor: Visitor, products: list[Product]) -> None:
    minute = timedelta(minutes=1).total_seconds() / 86_400
    start = NOW.replace(second=5, microsecond=0)
    offset = (NOW - start).total_seconds() / 86_400
    saw(visitor, products, 4)
    for product in products[:3]:
        did(visitor, product, CLICK, 3)
    for product, days in zip(products[:3], (2, 2 - minute / 3, 1), strict=True):
        did(visitor, product, PURCHASE, offset + days)
    assert (row()["orders"], row()["purchases"]) == (2, 3)


def test_whoever_was_in_two_arms_counts_in_the_first(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 2, arm=ARM)
    saw(visitor, products, 3, arm=OTHER)
    saw(Visitor.objects.create(), products, 2, arm=OTHER)
    found = outcomes([ARM, OTHER])
    assert (len(found.counted(ARM)["slots"]), len(found.counted(OTHER)["slots"])) == (0, 2)
    assert found.left_out["two_armed_visitors"] == 1


def test_bots_are_counted_and_left_out(products: list[Product]) -> None:
    bot = Visitor.objects.create()
    saw(bot, products, 3, doubt=Event.Doubt.WEBDRIVER)
    found = outcomes([ARM])
    assert len(found.counted(ARM)["slots"]) == 0
    assert found.left_out["doubtful_visitors"] == 1


def test_doubtful_acts_of_a_person_do_not_count(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 3)
    saw(visitor, products, 3, doubt=Event.Doubt.PREFETCH)
    did(visitor, products[0], CLICK, 2, doubt=Event.Doubt.NO_TOKEN)
    did(visitor, products[0], PURCHASE, 1, doubt=Event.Doubt.RATE)
    found = row()
    assert (found["slots"], found["clicks"], found["assisted"]) == (4, 0, 0)
    assert outcomes([ARM]).left_out["unsigned_clicks"] == 1


def test_other_lists_and_other_visitors_have_no_part(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products[:1], 3)
    saw(visitor, products[1:], 3, arm=None)
    other = Visitor.objects.create()
    for product in products:
        did(visitor, product, CLICK, 2)
        did(other, product, CLICK, 2)
    assert (row()["slots"], row()["clicks"]) == (1, 1)


def test_what_was_bought_before_the_first_list_is_history(visitor: Visitor, products: list[Product]) -> None:
    saw(visitor, products, 5)
    for days in (5.5, 10, 32.9):
        did(visitor, products[0], PURCHASE, days)
    did(visitor, products[0], PURCHASE, 33.1)
    did(visitor, products[0], PURCHASE, 4)
    assert row()["purchases_before"] == 3


def test_nobody_saw_anything() -> None:
    found = outcomes([ARM])
    assert len(found.counted(ARM)["slots"]) == 0
    assert set(found.left_out.values()) == {0}


def test_the_holdout_is_compared_with_everybody_else(products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_HOLDOUT_VISITORS_SHARE = 0.3
    people = [Visitor.objects.create() for _ in range(40)]
    for visitor in people:
        saw(visitor, products, 3)  # the first list, which was made before anybody knew who would see it
        arm = arm_of(visitor)
        saw(visitor, products, 2, arm=arm and arm.id)
    held = sum(arm_of(visitor) is not None for visitor in people)
    found = outcomes_of_holdout()
    assert 0 < held < 40
    assert len(found.counted(HOLDOUT_ARM)["slots"]) == held
    assert len(found.counted(1)["slots"]) == 40 - held


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_holdout_of_nobody_or_everybody_is_no_broken_split(products: list[Product], settings: Any, share) -> None:
    settings.RECOMMENDER_HOLDOUT_VISITORS_SHARE = share
    saw(Visitor.objects.create(), products, 3)
    assert not read_holdout(share, 20).is_mismatched
