"""Reasons that need more than the score: others who bought both, and what is popular today."""

import numpy as np
import pytest

from recommender.capture.tables import PURCHASE, VIEW
from recommender.dataset.link_packing import pack_links
from recommender.models import Visitor
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.tiny_tables import linear_ranker
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> Visitor:
    return Visitor.objects.create()


def reasons(visitor: Visitor) -> dict[str, str]:
    return {entry.item.name: entry.reason for entry in recommend(Query("for_you", visitor, 20)).entries}


@pytest.mark.parametrize(("support", "said"), [(5, "Often bought with Product 4"), (4, "Goes with what you buy")])
def test_often_bought_with_needs_links_and_enough_buyers(visitor: Visitor, support: int, said: str) -> None:
    products = make_products(8)
    links = [b""] * 8
    links[4] = pack_links(np.array([8]), np.array([[1.0, 0.0, 0.0]], np.float32))  # row 8 is Product 7
    publish_tiny_version(
        products,
        ranker=linear_ranker(similarity=0.1, follow_now=1.0),
        links=links,
        pair_item=np.array([products[4].pk]),
        pair_other=np.array([products[7].pk]),
        pair_score=np.ones(1, np.float32),
        pair_support=np.array([support], np.int32),
    )
    make_event(visitor, products[4], PURCHASE)
    assert reasons(visitor)["Product 7"] == said


def test_a_list_names_an_item_three_times_where_it_carries_most(visitor: Visitor) -> None:
    """After one view every card would say the same."""
    products = make_products(20)
    links = [b""] * 20
    others = np.arange(9, 15)  # rows of products 8 to 13, each more often taken with product 4 than the one before
    links[4] = pack_links(others, np.linspace(0.5, 1.0, 6)[:, None] * np.array([[1.0, 0.0, 0.0]], np.float32))
    publish_tiny_version(
        products,
        ranker=linear_ranker(similarity=0.1, follow_now=1.0),
        links=links,
        pair_item=np.full(6, products[4].pk),
        pair_other=np.array([product.pk for product in products[8:14]]),
        pair_score=np.ones(6, np.float32),
        pair_support=np.full(6, 9, np.int32),
    )
    make_event(visitor, products[4], VIEW)
    found = reasons(visitor)
    assert {found[f"Product {number}"] for number in (11, 12, 13)} == {"Often bought with Product 4"}
    assert {found[f"Product {number}"] for number in (8, 9, 10)} == {"Goes with what you look at"}
    assert found["Product 4"] == "You looked at this before"


def test_what_others_took_together_alone_is_no_because(visitor: Visitor) -> None:
    """A weak link between two things that are nothing like each other."""
    products = make_products(8)
    links = [b""] * 8
    links[4] = pack_links(np.array([8]), np.array([[0.2, 0.0, 0.0]], np.float32))  # row 8 is Product 7
    publish_tiny_version(products, ranker=linear_ranker(similarity=1.0, follow_now=0.2, taken_7=0.1), links=links)
    make_event(visitor, products[4], VIEW)
    assert not reasons(visitor)["Product 7"].startswith("Because")


@pytest.mark.parametrize(("others", "said"), [(5, "Popular in Pantry today"), (4, "")])
def test_popular_today_needs_visitors_of_today_and_a_score_that_says_so(
    visitor: Visitor, others: int, said: str
) -> None:
    products = make_products(8)
    statistics = np.zeros((8, 9), np.float32)
    statistics[[5, 7], 0] = 5.0  # taken_7
    ranker = linear_ranker(similarity=1.0, taken_7=1.0)
    publish_tiny_version(products, ranker=ranker, statistics=statistics)
    make_event(visitor, products[4], VIEW)
    for number in range(5):
        other = Visitor.objects.create()
        make_event(other, products[7], VIEW, days_ago=2)  # yesterday is not today
        make_event(other, products[1], VIEW)  # popular, but nothing that lifts its score
        if number < others:
            make_event(other, products[5], VIEW)
    found = reasons(visitor)
    assert (found["Product 5"], found["Product 7"], found["Product 1"]) == (said, "", "")
    assert Product.objects.exists()


@pytest.mark.parametrize(("kind", "said"), [(PURCHASE, "Goes with what you buy"), (VIEW, "Goes with what you look at")])
def test_what_no_single_item_carries_goes_with_all_of_them(visitor: Visitor, kind: int, said: str) -> None:
    products = make_products(40)
    links = [b""] * 40
    for place in range(30):  # each leads a little to row 40, which is Product 39
        links[place] = pack_links(np.array([40]), np.array([[0.1, 0.0, 0.0]], np.float32))
        make_event(visitor, products[place], kind, days_ago=40 - place)
    publish_tiny_version(products, ranker=linear_ranker(similarity=0.1, follow_lately=1.0), links=links)
    assert reasons(visitor)["Product 39"] == said


def test_it_is_not_said_where_something_else_lifts_the_score_more(visitor: Visitor) -> None:
    products = make_products(40)
    links = [b""] * 40
    for place in range(30):
        links[place] = pack_links(np.array([40]), np.array([[0.1, 0.0, 0.0]], np.float32))
        make_event(visitor, products[place], PURCHASE, days_ago=40 - place)
    statistics = np.zeros((40, 9), np.float32)
    statistics[39, 0] = 5.0  # taken_7
    ranker = linear_ranker(similarity=0.1, follow_lately=1.0, taken_7=1.0)
    publish_tiny_version(products, ranker=ranker, links=links, statistics=statistics)
    assert reasons(visitor)["Product 39"] == ""
