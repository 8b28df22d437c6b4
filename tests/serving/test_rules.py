"""What merchandisers want of the lists, and what is known of it afterwards; items on trial and their propensities."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender.capture.impressions import shown as shown_by_token
from recommender.capture.impressions import store_impressions
from recommender.capture.tables import PURCHASE, VIEW
from recommender.models import Event, Impression, Rule, SavedFilter, Visitor
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend, recommend_page
from recommender.serving.rules import forget_rules
from recommender.serving.trials import exposures
from recommender.tokens import read_impressions
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db

LATER, EARLIER = timedelta(hours=1), -timedelta(hours=1)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor.objects.create()


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products(30)


@pytest.fixture
def cheap(products: list[Product]) -> SavedFilter:
    """Products 20 to 29."""
    Product.objects.filter(pk__in=[product.pk for product in products[20:]]).update(price_cents=5)
    return SavedFilter.objects.create(name="cheap", max_price_cents=5)


def rule(action: str, item: Product | None = None, **values: Any) -> Rule:
    made = Rule(name=action, action=action, item_id=item.pk if item else None, **values)
    made.full_clean()
    made.save()
    forget_rules()
    return made


def popular(n: int = 6, visitor: Visitor | None = None, placement: str = "for_you", **options: Any) -> Recommendations:
    return recommend(Query(placement, visitor, n, **options))


def numbers(found: Recommendations) -> list[int]:
    return [int(entry.item.name.split()[-1]) for entry in found.entries]


# --- pin


def test_a_pinned_item_stands_in_its_slot_though_no_source_found_it(visitor: Visitor, products: list[Product]) -> None:
    pinned = rule("pin", products[29], slot=2)
    found = popular(4)
    assert numbers(found) == [0, 29, 1, 2]
    assert [entry.rule for entry in found.entries] == [None, pinned.pk, None, None]
    assert numbers(popular(4, placement="similar_items", item_id=products[0].pk))[1] == 29


FACTS = ("bought_together", "buy_again", "recently_viewed")


@pytest.mark.parametrize("placement", FACTS)
def test_a_rule_for_all_lists_promotes_nothing_where_it_would_not_be_true(
    visitor: Visitor, products: list[Product], cheap: SavedFilter, placement: str
) -> None:
    for kind in (VIEW, PURCHASE):
        make_event(visitor, products[4], kind, days_ago=1)
        make_event(visitor, products[20], kind, days_ago=30)

    def found() -> list[int]:
        return numbers(popular(4, visitor, placement, item_id=products[0].pk))

    plain = found()
    pin, lift = rule("pin", products[29], slot=1), rule("boost", within=cheap, share=1.0)
    assert found() == plain and 29 not in plain
    for each in (pin, lift):
        each.placements = [placement]
        each.save()
    forget_rules()
    assert found()[0] == 29
    rule("exclude", products[plain[-1]])  # takes nothing from the truth
    assert plain[-1] not in found()


def test_a_pinned_filter_puts_its_best_candidate_there(cheap: SavedFilter) -> None:
    rule("pin", within=cheap, slot=1)
    assert numbers(popular(3)) == [20, 0, 1]


def test_a_pin_is_given_up_where_the_item_may_not_be_shown(products: list[Product]) -> None:
    rule("pin", products[3], slot=1)
    assert numbers(popular(3)) == [3, 0, 1]
    assert numbers(popular(3, exclude=frozenset({products[3].pk}))) == [0, 1, 2]
    Product.objects.filter(pk=products[3].pk).update(stock=0)
    assert numbers(popular(3)) == [0, 1, 2]


def test_of_two_pins_for_a_slot_the_older_one_has_it(products: list[Product]) -> None:
    rule("pin", products[9], slot=1)
    rule("pin", products[8], slot=1)
    assert numbers(popular(3)) == [9, 0, 1]


def test_a_page_pins_an_item_once(products: list[Product]) -> None:
    rule("pin", products[9], slot=1)
    lists = recommend_page([Query(name, None, 3) for name in ("for_you", "new_for_you")])
    assert [numbers(found)[0] for found in lists] == [9, 29]


# --- boost, bury, exclude


def test_a_boost_has_its_share_of_the_slots(cheap: SavedFilter) -> None:
    lifted = rule("boost", within=cheap, share=0.5)
    found = popular(6)
    assert numbers(found) == [0, 20, 1, 21, 2, 22]
    assert [entry.rule for entry in found.entries] == [None, lifted.pk] * 3


def test_what_is_buried_comes_last_or_has_at_most_its_share(products: list[Product]) -> None:
    first = SavedFilter.objects.create(name="first", max_price_cents=103)  # products 0 to 3
    buried = rule("bury", within=first)
    assert numbers(popular(6)) == [4, 5, 6, 7, 8, 9]
    assert numbers(popular(30))[-4:] == [0, 1, 2, 3]
    buried.share = 0.34
    buried.save()
    forget_rules()
    assert numbers(popular(6)) == [0, 4, 1, 5, 6, 2][:6] or sum(number < 4 for number in numbers(popular(6))) <= 3


def test_what_is_excluded_is_never_shown(products: list[Product], cheap: SavedFilter) -> None:
    rule("exclude", products[0])
    rule("exclude", within=cheap)
    rule("pin", products[0], slot=1)
    assert numbers(popular(30)) == list(range(1, 20))


# --- where and when


def test_a_rule_holds_in_its_lists_only(products: list[Product]) -> None:
    rule("exclude", products[0], placements=["trending"])
    assert numbers(popular(2)) == [0, 1]
    assert numbers(popular(2, placement="trending")) == [1, 2]


@pytest.mark.parametrize(
    ("starts", "ends", "holds"),
    [(EARLIER, LATER, True), (None, LATER, True), (EARLIER, None, True), (LATER, None, False), (None, EARLIER, False)],
)
def test_a_rule_holds_between_its_dates(
    products: list[Product], starts: timedelta | None, ends: timedelta | None, holds: bool
) -> None:
    now = timezone.now()
    times = {"starts_at": starts and now + starts, "ends_at": ends and now + ends}
    rule("exclude", products[0], **times)
    assert (numbers(popular(1)) == [1]) is holds


def test_a_rule_that_is_off_does_nothing(products: list[Product]) -> None:
    rule("exclude", products[0], is_active=False)
    assert numbers(popular(1)) == [0]


def test_a_rule_with_a_broken_filter_does_nothing(products: list[Product]) -> None:
    rule("exclude", within=SavedFilter.objects.create(name="old", values={"gone": ["x"]}))
    assert numbers(popular(1)) == [0]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"action": "pin"}, "slot"),
        ({"action": "boost"}, "share"),
        ({"action": "bury", "share": 1.5}, "share"),
        ({"action": "exclude", "item_id": None}, "__all__"),
        ({"action": "exclude", "starts_at": timezone.now(), "ends_at": timezone.now() + EARLIER}, "ends_at"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(products: list[Product], values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Rule(**{"name": "x", "item_id": products[0].pk} | values).full_clean()
    assert field in refusal.value.message_dict


def test_rules_cost_no_statement(visitor: Visitor, products: list[Product], cheap: SavedFilter) -> None:
    make_event(visitor, products[4], VIEW)
    popular(visitor=visitor)
    with CaptureQueriesContext(connection) as without:
        popular(visitor=visitor)
    rule("boost", within=cheap, share=0.5)
    rule("exclude", products[0])
    popular(visitor=visitor)
    with CaptureQueriesContext(connection) as with_rules:
        popular(visitor=visitor)
    assert len(with_rules) == len(without)


# --- on trial


@pytest.fixture
def exploring(settings: Any) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.25  # of four slots one, each time
    settings.RECOMMENDER_CACHES = None


def test_without_exploration_everything_is_certain(products: list[Product]) -> None:
    found = popular(4)
    assert {entry.propensity for entry in found.entries} == {1.0}
    assert "q" not in (read_impressions(found.token) or {})


def test_an_item_is_shown_as_often_as_its_propensity_says(products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.15  # of four slots one, six times in ten
    exposures.hold({str(products[9].pk): (40, 12), str(products[10].pk): (300, 1)})
    seen: Counter[int] = Counter()
    said: dict[int, float] = {}
    runs = 400
    for _ in range(runs):
        found = popular(4)
        seen[numbers(found)[2]] += 1
        said[numbers(found)[2]] = found.entries[2].propensity
        assert [entry.propensity for place, entry in enumerate(found.entries) if place != 2] == [1.0] * 3
    assert said[2] == pytest.approx(0.4)
    assert len(said) == 6 and sum(said.values()) == pytest.approx(1.0)
    for number, chance in said.items():
        assert seen[number] / runs == pytest.approx(chance, abs=0.1), number


def test_the_least_seen_are_tried(products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.25
    exposures.hold({str(product.pk): (50, 0) for product in products if product not in products[20:25]})
    assert {numbers(popular(4))[2] for _ in range(60)} <= {20, 21, 22, 23, 24}


def test_where_all_that_could_be_tried_sold_out_what_is_shown_is_certain(
    products: list[Product], settings: Any
) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.25  # of four slots one, each time
    popular(4)  # is cached
    Product.objects.filter(pk__in=[product.pk for product in products[4:]]).update(stock=0)
    found = popular(4)
    assert numbers(found) == [0, 1, 2, 3]
    assert {entry.propensity for entry in found.entries} == {1.0}


def test_a_short_list_and_a_pinned_slot_try_nothing(products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.5
    assert {entry.propensity for entry in popular(30).entries} == {1.0}
    for slot in (1, 2):
        rule("pin", products[10 + slot], slot=slot)
    assert {entry.propensity for entry in popular(2).entries} == {1.0}


def test_what_was_seen_and_clicked_is_counted(visitor: Visitor, products: list[Product]) -> None:
    found = popular(4, visitor)
    assert store_impressions(visitor, [{"token": found.token, "slots": [1, 3]}], 0) == 1
    place = shown_by_token(visitor, products[2].pk, found.token)
    at = timezone.now()
    Event.objects.create(
        visitor=visitor, item_id=products[2].pk, kind=Event.Kind.CLICK, at=at, source=1, impression=place
    )
    assert exposures.get() == {str(products[0].pk): (1, 0), str(products[2].pk): (1, 1)}


def test_many_clicks_on_one_list_are_one(products: list[Product]) -> None:
    visitors = [Visitor.objects.create() for _ in range(3)]
    for visitor in visitors:
        found = popular(4, visitor)
        store_impressions(visitor, [{"token": found.token, "slots": [1]}], 0)
    place = shown_by_token(visitors[-1], products[0].pk, found.token)
    click = {"item_id": products[0].pk, "kind": Event.Kind.CLICK, "at": timezone.now(), "source": 1}
    for _ in range(5):
        Event.objects.create(visitor=visitors[-1], impression=place, **click)
    assert exposures.get()[str(products[0].pk)] == (3, 1)


# --- what is stored


def test_a_seen_list_has_its_propensities_and_rules(visitor: Visitor, products: list[Product], settings: Any) -> None:
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.1
    pinned = rule("pin", products[9], slot=1)
    found = popular(4, visitor)
    store_impressions(visitor, [{"token": found.token, "slots": [1, 2]}], 0)
    row = Impression.objects.get()
    assert row.propensities == pytest.approx([entry.propensity for entry in found.entries])
    assert min(row.propensities) < 1.0
    assert row.rules == [pinned.pk, 0, 0, 0]
    assert (shown_by_token(visitor, products[9].pk, found.token) or {})["rule"] == pinned.pk
    second = found.entries[1].item.pk
    assert "rule" not in (shown_by_token(visitor, second, found.token) or {})


def test_a_certain_list_says_so(visitor: Visitor, products: list[Product]) -> None:
    found = popular(3, visitor)
    store_impressions(visitor, [{"token": found.token, "slots": [1]}], 0)
    row = Impression.objects.get()
    assert (row.propensities, row.rules) == ([1.0, 1.0, 1.0], None)
