"""Lists as rows: defaults without a row, a row instead of a default, and what the sources give."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recommender.capture.tables import PURCHASE, VIEW
from recommender.models import Event, Placement, SavedFilter, Visitor
from recommender.serving.page import Page
from recommender.serving.placements import CACHE_SECONDS, DEFAULTS, known_placements, placements, title_of
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend, recommend_page
from shop.models import Category, Department, Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> Visitor:
    return Visitor.objects.create()


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products(30)


def ask(placement: str, visitor: Visitor | None = None, n: int = 4, **options) -> Recommendations:
    return recommend(Query(placement, visitor, n, **options))


def numbers(found: Recommendations) -> list[int]:
    return [int(entry.item.name.split()[-1]) for entry in found.entries]


def save(name: str, **values) -> Placement:
    default = DEFAULTS.get(name)
    made = {"sources": default.sources, "fallbacks": default.fallbacks} if default else {}
    placement = Placement.objects.create(name=name, **made | values)
    known_placements.expire()
    return placement


# --- rows


def test_an_empty_table_has_all_defaults() -> None:
    assert set(placements()) == set(DEFAULTS)
    assert all(placement.pk is None and title_of(placement) for placement in placements().values())


def test_a_row_replaces_its_default_and_its_deletion_brings_it_back(products: list[Product]) -> None:
    row = save("for_you", title="Just for you", sources=["newest"], fallbacks=[])
    found = ask("for_you")
    assert (found.title, numbers(found)) == ("Just for you", [29, 28, 27, 26])
    row.delete()
    known_placements.expire()
    assert (ask("for_you").title, numbers(ask("for_you"))) == ("Recommended for you", [0, 1, 2, 3])


def test_the_newest_are_told_by_the_shop_s_time_and_each_comes_once(products: list[Product], monkeypatch) -> None:
    category = products[0].category
    other = Category.objects.create(department=category.department, name="Other", slug="other-than-that")
    Product.objects.filter(pk__in=[products[4].pk, products[6].pk]).update(category=other)
    monkeypatch.setattr("shop.recommendations.ProductCatalog.added_at", "size")
    Product.objects.filter(pk=products[4].pk).update(size="2026")
    joined = Q(category__products__isnull=False)  # each item once for every other of its category
    monkeypatch.setattr("shop.recommendations.ProductCatalog.available", lambda self, items: items.filter(joined))
    save("front", sources=["newest"])
    assert len(set(numbers(ask("front", n=12)))) == 12 and numbers(ask("front"))[0] == 4


def test_another_process_sees_a_row_within_seconds(products: list[Product], monkeypatch) -> None:
    ask("for_you")
    Placement.objects.create(name="for_you", sources=["newest"])
    assert numbers(ask("for_you")) == [0, 1, 2, 3]
    monkeypatch.setattr(
        "recommender.serving.remembered.time.monotonic", lambda: time.monotonic_ns() / 1e9 + CACHE_SECONDS
    )
    assert numbers(ask("for_you")) == [29, 28, 27, 26]


def test_the_last_known_rows_go_on_without_the_table(products: list[Product]) -> None:
    save("front", sources=["newest"])
    ask("front")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_placement RENAME TO gone")
    known_placements.expire()
    assert numbers(ask("front")) == [29, 28, 27, 26]
    assert Product.objects.exists()  # the page's transaction goes on


def test_a_shop_makes_a_list_of_its_own(products: list[Product]) -> None:
    save("front", sources=["popular"], title="Look")
    assert (numbers(ask("front")), ask("front").title) == ([0, 1, 2, 3], "Look")


def test_what_there_is_no_list_of_is_an_error() -> None:
    with pytest.raises(ValueError, match="known are for_you"):
        ask("front")
    for name in ("similar_items", "bought_together", "basket_complement"):
        with pytest.raises(ValueError, match="item_id"):
            ask(name)


# --- sources


def test_the_second_source_fills_what_the_first_leaves_empty(products: list[Product]) -> None:
    found = ask("basket_complement", n=5, items=(products[0].pk,))
    assert found.rung == "item"
    assert numbers(found)[0] == 2  # the only pair of product 0
    assert len(found.entries) == 5 and all(number % 2 == 0 for number in numbers(found))
    scores = [entry.score for entry in found.entries]
    assert scores == sorted(scores, reverse=True)


def test_reasons_stay_with_their_source(visitor: Visitor, products: list[Product]) -> None:
    save("mixed", sources=["rebuy", "popular"])
    make_event(visitor, products[9], PURCHASE, days_ago=40)
    found = ask("mixed", visitor)
    assert numbers(found) == [9, 0, 1, 2]
    assert [entry.reason for entry in found.entries] == ["You bought this before"] + ["Popular now"] * 3


def test_a_fall_back_answers_where_the_sources_have_nothing(products: list[Product]) -> None:
    save("again", sources=["rebuy"], fallbacks=["viewed", "popular"])
    found = ask("again")
    assert (found.rung, numbers(found)) == ("popular", [0, 1, 2, 3])


def test_several_items_are_one_start(products: list[Product]) -> None:
    start = (products[0].pk, products[1].pk)
    found = ask("bought_together", items=start)
    assert sorted(numbers(found)) == [2, 3]
    assert not set(start) & {entry.item.pk for entry in ask("similar_items", n=28, items=start).entries}


def test_the_newest_order_starts_the_list_after_a_purchase(visitor: Visitor, products: list[Product]) -> None:
    at = timezone.now() - timedelta(days=1, hours=1)
    for number in (4, 7):
        event = make_event(visitor, products[number], PURCHASE)
        Event.objects.filter(pk=event.pk).update(at=at)
    make_event(visitor, products[11], PURCHASE, days_ago=9)
    make_event(visitor, products[12], VIEW)
    assert set(numbers(ask("post_purchase", visitor))[:2]) == {6, 9}


def test_new_items_come_in_the_visitors_order(visitor: Visitor, products: list[Product]) -> None:
    make_event(visitor, products[4], VIEW)
    found = ask("new_for_you", visitor)
    assert found.rung == "personal" and all(number % 2 == 0 for number in numbers(found))
    assert numbers(ask("new_for_you")) == [29, 28, 27, 26]


def test_what_more_visitors_take_than_usual_is_trending(products: list[Product]) -> None:
    for days_ago, number, visitors in [(20, 1, 8), (20, 2, 2), (1, 1, 8), (1, 2, 7), (0, 3, 4)]:
        for _ in range(visitors):
            make_event(Visitor.objects.create(), products[number], days_ago=days_ago)
    keen = Visitor.objects.create()
    for _ in range(9):  # one visitor counts once
        make_event(keen, products[5], VIEW)
    found = ask("trending")
    assert (found.rung, numbers(found)) == ("popular", [2])  # 3 has fewer than MIN_BUYERS visitors


def test_what_is_due_is_offered_before_what_was_just_bought(visitor: Visitor, products: list[Product]) -> None:
    for days_ago in (22, 15, 8, 1):  # every week, and again yesterday
        make_event(visitor, products[1], PURCHASE, days_ago=days_ago)
    for days_ago in (30, 20, 10):  # every ten days, and due
        make_event(visitor, products[2], PURCHASE, days_ago=days_ago)
    assert numbers(ask("buy_again", visitor)) == [2, 1]


# --- filters


def test_only_items_of_the_filter(visitor: Visitor, products: list[Product]) -> None:
    tea = Category.objects.create(department=Department.objects.get(), name="Tea", slug="tea")
    Product.objects.filter(pk__in=[product.pk for product in products[20:]]).update(category=tea)
    chosen = SavedFilter.objects.create(name="Tea", values={"category__name": ["Tea"]}, max_price_cents=125)
    make_event(visitor, products[4], VIEW)
    for name in ("for_you", "new_for_you", "trending"):
        save(name, within=chosen)
        assert set(numbers(ask(name, visitor, 12))) == {20, 21, 22, 23, 24, 25}, name


def test_a_filter_that_fits_the_catalogue_no_more_empties_its_list_only(products: list[Product]) -> None:
    save("front", sources=["popular"], within=SavedFilter.objects.create(name="Old", values={"gone": ["x"]}))
    assert ask("front").rung == "nothing"
    assert ask("for_you").entries


def test_what_was_bought_within_the_days_is_left_out(visitor: Visitor, products: list[Product]) -> None:
    save("for_you", exclude_bought_days=3)
    make_event(visitor, products[4], PURCHASE, days_ago=2)
    make_event(visitor, products[6], PURCHASE, days_ago=4)
    assert 4 not in numbers(ask("for_you", visitor, 30)) and 6 in numbers(ask("for_you", visitor, 30))
    save("front", sources=["popular"], exclude_bought_days=3)
    assert set(range(30)) - set(numbers(ask("front", visitor, 30))) == {4}


def test_an_order_of_right_now_is_not_recommended(visitor: Visitor, products: list[Product]) -> None:
    make_event(visitor, products[4], PURCHASE)
    assert 4 not in numbers(ask("for_you", visitor, 30))


def test_of_the_variants_of_a_product_one_is_shown(visitor: Visitor, products: list[Product], monkeypatch) -> None:
    monkeypatch.setattr("shop.recommendations.ProductCatalog.variant_group", "price_cents")
    Product.objects.filter(pk__in=[product.pk for product in products[:5]]).update(price_cents=7)
    assert numbers(ask("for_you")) == [0, 5, 6, 7]
    page = Page()
    recommend(Query("for_you", None, 1), page)
    assert numbers(recommend(Query("trending", None, 2), page)) == [5, 6]


# --- pages

HOME = ("for_you", "buy_again", "recently_viewed", "trending", "new_for_you")


@pytest.fixture
def regular(visitor: Visitor, products: list[Product]) -> Visitor:
    """A visitor whom every list has something for."""
    for number in (1, 2, 4, 6):
        make_event(visitor, products[number], PURCHASE, days_ago=30)
    for number in (4, 8, 9):
        make_event(visitor, products[number], VIEW)
    return visitor


def keys(found: list[Recommendations]) -> list[list[object]]:
    return [[entry.item.pk for entry in each.entries] for each in found]


def test_five_lists_show_no_item_twice(regular: Visitor) -> None:
    lists = keys(recommend_page([Query(name, regular, 4) for name in HOME]))
    shown = [key for each in lists for key in each]
    assert len(shown) == len(set(shown))
    assert all(lists)


def test_the_most_important_list_chooses_first(regular: Visitor) -> None:
    alone = keys([ask("recently_viewed", regular)])[0]
    save("recently_viewed", importance=5)
    lists = recommend_page([Query(name, regular, 4) for name in HOME])
    assert [found.placement for found in lists] == list(HOME)
    assert keys(lists)[2] == alone
    assert not set(alone) & set(keys(lists)[0])


def test_a_page_retrieves_once_and_reads_the_visitor_once(regular: Visitor) -> None:
    queries = [Query(name, regular, 4) for name in (*HOME, "email")]
    recommend_page(queries)  # versions, placements and popular items are in memory from here on
    with CaptureQueriesContext(connection) as captured:
        recommend_page(queries)
    statements = [query["sql"] for query in captured]
    assert sum("recommender_event" in sql for sql in statements) == 1
    assert sum("<=>" in sql for sql in statements) == 1
