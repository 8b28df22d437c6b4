"""The page that takes a list apart: its numbers are those of the list, and the sum is the score."""

import pytest
from django.test import Client, override_settings

from recommender.capture.tables import PURCHASE, VIEW
from recommender.dataset.ranking_features import FEATURES
from recommender.models import Feedback, Rule, Visitor
from recommender.serving.query import Query
from recommender.serving.rules import forget_rules
from recommender.serving.why import Why, why
from shop.models import Product
from tests.serving.test_same_order import ranker_of_everything
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def products() -> list[Product]:
    made = make_products(20)
    publish_tiny_version(made, ranker=ranker_of_everything())
    return made


@pytest.fixture
def visitor(products: list[Product]) -> Visitor:
    made = Visitor.objects.create()
    make_event(made, products[4], VIEW)
    make_event(made, products[7], PURCHASE, days_ago=3)
    return made


def counts(found: Why) -> dict[str, tuple[int, int | None]]:
    return {stage.name: (stage.count, stage.wanted) for stage in found.stages}


def test_the_sum_is_the_score_of_the_list(visitor: Visitor, products: list[Product]) -> None:
    liked = products[9]
    Feedback.objects.create(visitor=visitor, item_id=liked.pk, value=Feedback.Value.MORE, placement="for_you")
    shown = why(Query("for_you", visitor, 12)).found.entries
    assert len(shown) == 12
    for entry in shown:
        found = why(Query("for_you", visitor, 12), entry.item.pk).arithmetic
        assert found is not None and len(found.shares) == len(FEATURES)
        total = sum(share.adds for share in found.shares) + found.rest + found.said
        assert total == pytest.approx(found.score, abs=1e-3)
        assert found.score == pytest.approx(entry.score, abs=0.05)  # events grew older by a moment


def test_the_stages_count_what_was_found_and_removed(visitor: Visitor, products: list[Product]) -> None:
    before = counts(why(Query("for_you", visitor, 6)))
    assert (before["events"], before["items"], before["own"]) == ((2, None), (2, None), (2, 2))
    assert (before["candidates"][0], before["shown"]) == (20, (6, 6))
    Product.objects.filter(pk=products[7].pk).update(stock=0)
    Feedback.objects.create(visitor=visitor, item_id=products[1].pk, value=Feedback.Value.LESS, placement="for_you")
    after = counts(why(Query("for_you", visitor, 6)))
    assert (after["own"], after["refused"], after["candidates"][0]) == ((1, 2), (1, None), 18)


def test_where_everything_is_sold_out_the_stages_say_so(visitor: Visitor, products: list[Product]) -> None:
    Product.objects.update(stock=0)
    found = why(Query("for_you", visitor, 6))
    assert found.found.entries == () and found.arithmetic is None
    assert counts(found)["candidates"] == (0, None) and counts(found)["nearest"][0] == 0


def test_a_list_without_a_ranker_says_its_rung_only(products: list[Product]) -> None:
    found = why(Query("for_you", None, 6))
    assert (found.found.rung, found.arithmetic) == ("popular", None)
    assert counts(found) == {"shown": (6, None)}


def test_a_pinned_item_that_no_source_found_has_no_sum(visitor: Visitor, products: list[Product]) -> None:
    new = make_products(1)[0]
    Rule.objects.create(name="New", action=Rule.Action.PIN, item=new, slot=1)
    forget_rules()
    query = Query("for_you", visitor, 3)
    shown, found = why(query).found.entries, why(query).arithmetic
    assert [(entry.item == new, entry.is_found) for entry in shown] == [(True, False), (False, True), (False, True)]
    assert found is not None and found.item_id == shown[1].item.pk
    assert why(query, new.pk).arithmetic is None


def test_a_held_back_repeat_is_told_and_only_then(visitor: Visitor, products: list[Product]) -> None:
    for place in range(8, 16):
        make_event(visitor, products[place], PURCHASE, days_ago=3)
    with override_settings(RECOMMENDER_LOOKING_REPEAT_SHARE=0.5):  # the visitor looked at something just now
        held = why(Query("for_you", visitor, 6))
    with override_settings(RECOMMENDER_LOOKING_REPEAT_SHARE=1.0):
        free = why(Query("for_you", visitor, 6))
    assert (held.kept_share, free.kept_share) == (0.5, None)
    scores = [entry.score for entry in free.found.entries]
    assert scores == sorted(scores, reverse=True) != [entry.score for entry in held.found.entries]


def test_admin_says_why_a_lower_score_stands_above(
    admin_client: Client, visitor: Visitor, products: list[Product]
) -> None:
    for place in range(8, 16):
        make_event(visitor, products[place], PURCHASE, days_ago=3)
    page = admin_client.get(f"/admin/recommender/visitor/{visitor.pk}/why/").content.decode()
    assert "At most 50 % of every beginning of this list may be what the visitor bought before" in page


def test_admin_shows_it(admin_client: Client, visitor: Visitor, products: list[Product]) -> None:
    url = f"/admin/recommender/visitor/{visitor.pk}/why/"
    page = admin_client.get(url).content.decode()
    assert "From events to the list" in page and "The score of Product" in page
    page = admin_client.get(url, {"item": products[4].pk}).content.decode()
    assert "The score of Product 4" in page and "own_120" in page
    assert "Every feature, for developers" in page and "Newest events that make the visitor&#x27;s vector" in page
    for query in ({"placement": "buy_again"}, {"placement": "nonsense"}, {"item": "x"}, {"item": "999999"}):
        assert admin_client.get(url, query).status_code == 200
    assert url in admin_client.get(f"/admin/recommender/visitor/{visitor.pk}/change/").content.decode()


def test_admin_shows_it_to_whoever_may_see_visitors(client: Client, visitor: Visitor, django_user_model) -> None:
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.get(f"/admin/recommender/visitor/{visitor.pk}/why/").status_code == 403


def test_the_overview_tells_how_many_are_content(
    admin_client: Client, visitor: Visitor, products: list[Product]
) -> None:
    assert "of all who answer" not in admin_client.get("/admin/recommender/").content.decode()
    for product, value in zip(products, (1, 1, 1, -1), strict=False):
        Feedback.objects.create(visitor=visitor, item_id=product.pk, value=value, placement="for_you")
    page = admin_client.get("/admin/recommender/").content.decode()
    assert "75 %" in page and "4 answers of 1 visitors" in page
