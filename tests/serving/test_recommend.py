import hashlib
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW
from recommender.index.publish import forget_live_version
from recommender.models import Event, ModelArtifact, Placement, Visitor
from recommender.serving.placements import DEFAULTS, known_placements
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend
from recommender.tokens import read_impressions
from shop.models import Category, Department, Product
from tests.tiny_tables import linear_ranker
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> Visitor:
    return Visitor.objects.create()


def for_you(visitor: Visitor | None, n: int = 4, **options) -> Recommendations:
    return recommend(Query("for_you", visitor, n, **options))


def names(found: Recommendations) -> list[str]:
    return [entry.item.name for entry in found.entries]


def numbers(found: Recommendations) -> list[int]:
    return [int(name.split()[-1]) for name in names(found)]


# --- for you


def test_the_list_follows_what_the_visitor_did(visitor: Visitor) -> None:
    products = make_products(20)
    version = publish_tiny_version(products)
    make_event(visitor, products[4], VIEW)
    found = for_you(visitor)
    assert (found.rung, found.version_id) == ("personal", version.pk)
    assert all(number % 2 == 0 for number in numbers(found))


def test_the_first_event_changes_the_next_list_without_retraining(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    assert for_you(visitor).rung == "popular"
    make_event(visitor, products[5], CLICK)
    found = for_you(visitor)
    assert found.rung == "personal"
    assert all(number % 2 == 1 for number in numbers(found))


def test_an_own_purchase_lifts_an_item(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products, ranker=linear_ranker(similarity=1.0, own_120=10.0))
    make_event(visitor, products[4], VIEW)
    make_event(visitor, products[7], PURCHASE, days_ago=3)
    assert numbers(for_you(visitor))[0] == 7


def test_scores_fall_and_slots_count(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], VIEW)
    entries = for_you(visitor, 10).entries
    assert [entry.slot for entry in entries] == list(range(1, 11))
    assert [entry.score for entry in entries] == sorted((entry.score for entry in entries), reverse=True)


def test_nobody_gets_anothers_list(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    other = Visitor.objects.create()
    make_event(visitor, products[4], VIEW)
    make_event(other, products[5], VIEW)
    assert all(number % 2 == 0 for number in numbers(for_you(visitor)))
    assert all(number % 2 == 1 for number in numbers(for_you(other)))


@pytest.mark.parametrize("min_items", [1, 1_000_000])
def test_what_cannot_be_sold_is_never_shown(visitor: Visitor, settings, min_items: int) -> None:
    settings.RECOMMENDER_HNSW_MIN_ITEMS = min_items
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], PURCHASE)
    Product.objects.filter(pk=products[4].pk).update(stock=0)
    Product.objects.filter(pk=products[6].pk).update(is_active=False)
    products[8].delete()
    found = numbers(for_you(visitor, 20))
    assert sorted(found) == sorted(set(range(20)) - {4, 6, 8})


def test_excluded_items_are_left_out(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], PURCHASE)
    found = for_you(visitor, 20, exclude=frozenset({products[4].pk, products[0].pk}))
    assert sorted(numbers(found)) == sorted(set(range(20)) - {0, 4})


def test_a_visitor_who_only_knows_new_items_gets_what_is_popular_among_their_kind(visitor: Visitor) -> None:
    publish_tiny_version(make_products(5))
    other = Category.objects.create(
        name="Fruit", slug="fruit", department=Department.objects.create(name="Fresh", slug="fresh")
    )
    Product.objects.filter(name__in=["Product 1", "Product 4"]).update(category=other)
    new = make_products(1, "New")[0]
    make_event(visitor, new, VIEW)
    assert (for_you(visitor).rung, numbers(for_you(visitor))) == ("segment", [0, 2, 3])
    assert {entry.reason for entry in for_you(visitor).entries} == {"Popular in Pantry"}
    Product.objects.filter(pk=new.pk).update(category=other)
    assert numbers(for_you(visitor)) == [1, 4]


def test_new_items_do_not_use_up_the_places_of_known_ones(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[5], VIEW, days_ago=1)
    for new in make_products(80, "New"):  # more than the encoder's 64 places
        make_event(visitor, new, VIEW)
    found = for_you(visitor)
    assert found.rung == "personal"
    assert all(number % 2 == 1 for number in numbers(found))


def test_a_personal_list_takes_three_reads(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], VIEW)
    for_you(visitor)  # the version and its encoder are in memory from here on
    with CaptureQueriesContext(connection) as queries:
        for_you(visitor)
    statements = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert "set_config" in statements[0]
    assert len(statements[1:]) == 3  # history, candidates, items with what the reasons name


# --- reasons


def reason_of(found: Recommendations, number: int) -> str:
    return next(entry.reason for entry in found.entries if entry.item.name == f"Product {number}")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (PURCHASE, "Because you bought Product 4"),
        (CART, "Because you chose Product 4"),
        (VIEW, "Because you looked at Product 4"),
    ],
)
def test_a_discovery_names_the_event_that_is_most_like_it(visitor: Visitor, kind: int, reason: str) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[5], VIEW)
    make_event(visitor, products[4], kind)
    assert reason_of(for_you(visitor, 20), 6) == reason


def test_repeats_say_that_they_are_repeats(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    for day in range(3):
        make_event(visitor, products[4], PURCHASE, days_ago=day + 1)
    make_event(visitor, products[6], PURCHASE, days_ago=1)
    found = for_you(visitor, 20)
    assert reason_of(found, 4) == "You buy this often"
    assert reason_of(found, 6) == "You bought this before"


def test_whoever_looks_around_is_shown_fewer_repeats(visitor: Visitor) -> None:
    products = make_products(30)
    publish_tiny_version(products, ranker=linear_ranker(similarity=1.0, own_120=5.0))
    for product in products[:12]:
        make_event(visitor, product, PURCHASE, days_ago=2)

    def repeats() -> int:
        return sum(number < 12 for number in numbers(for_you(visitor, 10)))

    assert repeats() == 9
    make_event(visitor, products[20], VIEW, days_ago=1)
    assert repeats() == 9
    make_event(visitor, products[20], VIEW, days_ago=0.01)
    assert repeats() == 5
    Placement.objects.create(name="for_you", sources=["personal"], repeat_share=1.0)
    known_placements.forget()
    assert repeats() == 10


def test_nothing_is_claimed_where_nothing_is_alike(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], PURCHASE)
    assert reason_of(for_you(visitor, 20), 5) == ""


def test_an_item_that_is_gone_is_no_reason(visitor: Visitor) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    make_event(visitor, products[4], PURCHASE)
    Product.objects.filter(pk=products[4].pk).update(is_active=False)
    assert reason_of(for_you(visitor, 20), 6) == ""


def test_reasons_are_in_the_language_of_the_request(visitor: Visitor) -> None:
    publish_tiny_version(make_products(3))
    assert {entry.reason for entry in for_you(None).entries} == {"Popular now"}
    with override("zh-hans"):
        assert {entry.reason for entry in for_you(None).entries} == {"正在热销"}


# --- stepping down


def test_the_popular_list_of_a_version_is_in_its_order() -> None:
    publish_tiny_version(make_products(6))
    assert numbers(for_you(None)) == [0, 1, 2, 3]


def test_without_a_version_the_newest_events_decide() -> None:
    products = make_products(6)
    for number, times in ((2, 3), (5, 2), (1, 1)):
        for _ in range(times):
            make_event(Visitor.objects.create(), products[number])
    found = for_you(None)
    assert (found.rung, found.version_id) == ("popular", None)
    assert numbers(found) == [2, 5, 1, 4]  # and then the newest


def test_without_events_the_newest_items_come() -> None:
    make_products(3)
    assert numbers(for_you(None)) == [2, 1, 0]


def test_a_popular_item_that_sells_out_leaves_the_cached_list() -> None:
    products = make_products(6)
    publish_tiny_version(products)
    assert numbers(for_you(None)) == [0, 1, 2, 3]
    Product.objects.filter(pk=products[0].pk).update(stock=0)
    assert numbers(for_you(None)) == [1, 2, 3, 4]


@pytest.mark.parametrize("placement", DEFAULTS)
def test_an_empty_catalogue_gives_empty_lists(visitor: Visitor, placement: str) -> None:
    found = recommend(Query(placement, visitor, 12, item_id=1))
    assert (found.entries, found.rung, found.token) == ((), "nothing", "")


@pytest.mark.parametrize("placement", DEFAULTS)
def test_a_shop_with_three_products_and_one_event_works(visitor: Visitor, placement: str) -> None:
    products = make_products(3)
    publish_tiny_version(products)
    make_event(visitor, products[0])
    found = recommend(Query(placement, visitor, 12, item_id=products[0].pk))
    assert len(found.entries) <= 3


@pytest.mark.parametrize(
    "broken", ["UPDATE recommender_modelartifact SET content = 'x'", "DELETE FROM recommender_modelartifact"]
)
def test_a_broken_encoder_file_steps_down(visitor: Visitor, broken: str) -> None:
    products = make_products(5)
    publish_tiny_version(products)
    make_event(visitor, products[0])
    with connection.cursor() as cursor:
        cursor.execute(broken)
    assert for_you(visitor).rung == "segment"


def test_a_file_that_is_no_onnx_steps_down(visitor: Visitor) -> None:
    products = make_products(5)
    version = publish_tiny_version(products, artifacts={"visitor_encoder.onnx": b"not a model"})
    assert ModelArtifact.objects.get(version=version).sha256 == hashlib.sha256(b"not a model").hexdigest()
    make_event(visitor, products[0])
    assert for_you(visitor).rung == "segment"


def test_a_file_of_links_that_is_none_steps_down(visitor: Visitor) -> None:
    products = make_products(5)
    version = publish_tiny_version(products)
    content = b"no arrays"
    ModelArtifact.objects.create(
        version=version, name="ease_links.npz", sha256=hashlib.sha256(content).hexdigest(), content=content
    )
    make_event(visitor, products[0])
    assert for_you(visitor).rung == "segment"


def test_without_the_embedding_table_the_events_still_answer(visitor: Visitor) -> None:
    products = make_products(5)
    publish_tiny_version(products)
    make_event(visitor, products[0])
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE recommender_itemembedding CASCADE")
    assert for_you(visitor).rung == "nothing"  # a live version that cannot be read
    assert make_products(1)  # the transaction around is still usable


def test_a_slow_database_steps_down_inside_the_budget(visitor: Visitor, settings, monkeypatch) -> None:
    settings.RECOMMENDER_BUDGET_MS = 1_000
    products = make_products(5)
    publish_tiny_version(products)
    make_event(visitor, products[0])
    monkeypatch.setattr(
        "recommender.serving.history._STATEMENT", "SELECT 1, 1, 1.0, NULL FROM pg_sleep(5 + 0 * %(visitor)s)"
    )
    before = timezone.now()
    assert for_you(visitor).rung == "popular"
    assert timezone.now() - before < timedelta(seconds=1.5)


def test_a_cache_that_is_down_costs_only_time(settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }
    publish_tiny_version(make_products(6))
    assert numbers(for_you(None)) == [0, 1, 2, 3]


@pytest.mark.django_db(transaction=True)
def test_a_broken_transaction_around_costs_no_list(visitor: Visitor) -> None:
    publish_tiny_version(make_products(3))
    forget_live_version()
    with transaction.atomic():
        assert Visitor.objects.exists()
        transaction.set_rollback(True)  # as after a caught IntegrityError
        assert for_you(visitor).rung == "popular"


# --- the other lists


def test_similar_items_are_of_the_same_group() -> None:
    products = make_products(10)
    publish_tiny_version(products)
    found = recommend(Query("similar_items", None, 4, item_id=products[0].pk))
    assert found.rung == "item"
    assert sorted(numbers(found)) == [2, 4, 6, 8]


@pytest.mark.parametrize(("support", "needed", "shown"), [(4, 1, False), (5, 1, True), (5, 6, False), (6, 6, True)])
def test_a_pair_with_fewer_than_five_buyers_is_never_shown(settings, support: int, needed: int, shown: bool) -> None:
    settings.RECOMMENDER_MIN_BUYERS = needed
    products = make_products(8)
    publish_tiny_version(products, pair_support=np.full(6, support, dtype=np.int32))
    found = recommend(Query("bought_together", None, 4, item_id=products[0].pk))
    assert bool(found.entries) is shown


def test_bought_together_comes_from_pairs_and_is_available() -> None:
    products = make_products(6)
    publish_tiny_version(products)
    query = Query("bought_together", None, 4, item_id=products[0].pk)
    assert numbers(recommend(query)) == [2]
    Product.objects.filter(pk=products[2].pk).update(stock=0)
    assert recommend(query).rung == "nothing"


def test_recently_viewed_is_newest_first_without_repeats_or_purchases(visitor: Visitor) -> None:
    products = make_products(6)
    for number, days_ago in ((1, 5), (2, 4), (1, 3), (3, 2)):
        make_event(visitor, products[number], VIEW, days_ago)
    make_event(visitor, products[4], PURCHASE, 1)
    found = recommend(Query("recently_viewed", visitor, 4, exclude=frozenset({products[2].pk})))
    assert numbers(found) == [3, 1]


def test_buy_again_is_by_decayed_count(visitor: Visitor) -> None:
    products = make_products(6)
    for number, days_ago in ((1, 5), (1, 4), (2, 1), (3, 300), (3, 310)):
        make_event(visitor, products[number], PURCHASE, days_ago)
    make_event(visitor, products[4], VIEW)
    assert numbers(recommend(Query("buy_again", visitor, 4))) == [1, 2, 3]


# --- the token


def test_the_token_tells_what_was_shown_to_whom(visitor: Visitor) -> None:
    products = make_products(20)
    version = publish_tiny_version(products)
    make_event(visitor, products[4])
    found = for_you(visitor, 3)
    claims = read_impressions(found.token)
    assert claims is not None
    assert claims["i"] == [str(entry.item.pk) for entry in found.entries]
    assert (claims["v"], claims["p"], claims["m"], claims["r"]) == (
        str(visitor.key),
        "for_you",
        version.pk,
        "personal",
    )


def test_two_lists_have_two_ids(visitor: Visitor) -> None:
    publish_tiny_version(make_products(3))
    claims = [read_impressions(for_you(None).token) for _ in range(2)]
    assert claims[0] and claims[1] and claims[0]["l"] != claims[1]["l"]


def test_answering_writes_nothing(visitor: Visitor) -> None:
    publish_tiny_version(make_products(3))
    for_you(visitor)
    assert not Event.objects.exists()
