"""What answers while something is broken, and that no page waits for it for long."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.signals import request_started
from django.db import OperationalError, connections
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils.translation import override

from recommender.api_keys import create_key
from recommender.capture.tables import VIEW
from recommender.index import budget
from recommender.index.publish import forget_live_version
from recommender.models import Placement, Visitor
from recommender.serving import breaker as breakers
from recommender.serving import trending
from recommender.serving.breaker import Breaker
from recommender.serving.last_good import forget_kept
from recommender.serving.placements import known_placements
from recommender.serving.popular import Scored
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend
from recommender.serving.rungs import Unanswered, ask
from recommender.serving.warm import Warmer
from shop.models import Product
from tests.worlds import make_event, make_products, publish_tiny_version

pytestmark = pytest.mark.django_db(transaction=True)


def for_you(visitor: Visitor | None = None, n: int = 4, **options: Any) -> Recommendations:
    return recommend(Query("for_you", visitor, n, **options))


def names(found: Recommendations) -> list[str]:
    return [entry.item.title if found.rung == "last_good" else entry.item.name for entry in found.entries]


@pytest.fixture
def take_database_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Nobody listens where it was."""

    def away() -> None:
        for wrapper in connections.all():
            wrapper.close()
        monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
        forget_live_version()

    return away


def test_the_last_good_list_is_shown_while_the_database_is_away(take_database_away) -> None:
    products = make_products(6)
    version = publish_tiny_version(products)
    assert for_you().rung == "popular"
    take_database_away()
    found = for_you(exclude=frozenset({products[1].pk}))
    assert (found.rung, found.version_id, found.token) == ("last_good", version.pk, "")
    assert names(found) == ["Product 0", "Product 2", "Product 3", "Product 4"]  # more are kept than were asked for
    assert [entry.slot for entry in found.entries] == [1, 2, 3, 4]


def test_a_kept_list_asks_nothing_since_no_token_could_prove_the_answer() -> None:
    publish_tiny_version(make_products(6))

    def page() -> str:
        request = RequestFactory().get("/")
        request.session = {}  # type: ignore[assignment]
        source = Template("{% load recommender %}{% recommended_for_you n=4 %}")
        return source.render(Context({"request": request}))

    assert 'name="answer"' in page()
    for _ in range(breakers.FAILURES):
        breakers.breaker("popular").failed()
    kept = page()
    assert kept.count("data-recommender-item") == 4 and "answer" not in kept and "<form" not in kept


def test_behind_a_personal_list_the_one_for_everybody_is_kept(take_database_away) -> None:
    products = make_products(20)
    publish_tiny_version(products)
    visitor = Visitor.objects.create()
    make_event(visitor, products[5])
    assert for_you(visitor).rung == "personal"
    take_database_away()
    assert names(for_you(visitor)) == [f"Product {number}" for number in range(4)]


def test_similar_items_are_kept_by_item_and_language(take_database_away) -> None:
    products = make_products(8)
    publish_tiny_version(products)
    first = recommend(Query("similar_items", None, 3, item_id=products[0].pk))
    take_database_away()
    again = recommend(Query("similar_items", None, 3, item_id=products[0].pk))
    assert names(again) == names(first)
    assert recommend(Query("similar_items", None, 3, item_id=products[1].pk)).rung == "nothing"
    with override("zh-hans"):
        assert recommend(Query("similar_items", None, 3, item_id=products[0].pk)).rung == "nothing"


def test_what_somebody_did_is_never_kept(take_database_away) -> None:
    products = make_products(6)
    publish_tiny_version(products)
    visitor = Visitor.objects.create()
    make_event(visitor, products[3])
    assert recommend(Query("buy_again", visitor, 3)).entries
    take_database_away()
    assert recommend(Query("buy_again", visitor, 3)).rung == "nothing"


def test_a_list_that_is_filled_up_for_somebody_is_kept_without_that(take_database_away) -> None:
    publish_tiny_version(make_products(6))
    (new,) = make_products(1, "New")
    Placement.objects.create(name="mixed", sources=["popular", "viewed"])
    known_placements.expire()
    visitor = Visitor.objects.create()
    make_event(visitor, new, VIEW)
    found = recommend(Query("mixed", visitor, 10))
    assert found.rung == "popular" and "New 0" in names(found)
    take_database_away()
    kept = recommend(Query("mixed", None, 10))
    assert kept.rung == "last_good" and names(kept) == [f"Product {number}" for number in range(6)]


def test_a_short_list_is_not_all_that_is_kept(take_database_away) -> None:
    publish_tiny_version(make_products(20))
    assert len(for_you(n=1).entries) == 1
    take_database_away()
    assert len(for_you(n=4).entries) == 4


def test_what_admin_tries_out_is_not_kept(take_database_away) -> None:
    publish_tiny_version(make_products(6))
    draft = Placement(name="for_you", sources=["newest"])
    assert recommend(Query("for_you", None, 4), placement=draft).entries
    take_database_away()
    assert for_you().rung == "nothing"


def test_an_app_gets_the_list_for_everybody_while_its_visitor_cannot_be_read(client: Client, settings) -> None:
    settings.RECOMMENDER_BUDGET_MS = 1_000
    publish_tiny_version(make_products(6))
    url = f"/recommender/recommendations/?visitor={Visitor.objects.create().key}"
    headers = {"authorization": f"Api-Key {create_key('app')[1]}"}
    other = connections["default"].copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE recommender_visitor IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        answer = client.get(url, headers=headers)
        assert (answer.status_code, answer.json()["rung"]) == (200, "popular")
        assert time.monotonic() - began < 1.5
    finally:
        other.rollback()
        other.close()


def test_what_has_no_time_left_is_not_asked_and_not_blamed() -> None:
    with budget.within(0.01):
        for _ in range(5):
            with pytest.raises(Unanswered):
                ask("own", lambda: pytest.fail("not reached"))
    assert ask("own", lambda: 1) == 1


def test_an_empty_list_is_not_replaced_by_an_old_one() -> None:
    publish_tiny_version(make_products(3))
    assert for_you().entries
    Product.objects.update(is_active=False)
    assert for_you().rung == "nothing"


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": 1}', b"\xff\xfe"])
def test_a_kept_list_that_cannot_be_read_is_as_good_as_none(settings, tmp_path, take_database_away, content) -> None:
    settings.RECOMMENDER_LAST_GOOD_FOLDER = str(tmp_path)
    publish_tiny_version(make_products(3))
    for_you()
    (kept,) = tmp_path.glob("*.json")
    kept.write_bytes(content)
    take_database_away()
    assert for_you().rung == "nothing"


def test_a_disk_that_takes_nothing_costs_no_list(settings, tmp_path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    settings.RECOMMENDER_LAST_GOOD_FOLDER = str(blocked)
    publish_tiny_version(make_products(3))
    assert for_you().rung == "popular"


def test_a_folder_that_others_can_write_to_is_not_used(settings, tmp_path, monkeypatch, take_database_away) -> None:
    settings.RECOMMENDER_LAST_GOOD_FOLDER = None
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    publish_tiny_version(make_products(3))
    for_you()
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    forget_kept()
    take_database_away()
    assert for_you().rung == "nothing"


# --- the breaker


def fail(error: Exception) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


def test_a_rung_that_failed_three_times_in_a_row_is_tried_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "OPEN_SECONDS", 0.2)
    own = Breaker("own")
    for _ in range(2):
        assert own.lets_pass()
        own.failed()
    assert own.lets_pass()
    own.failed()
    assert not own.lets_pass()
    time.sleep(0.21)
    assert [own.lets_pass(), own.lets_pass()] == [True, False]
    own.succeeded()
    assert own.lets_pass() and own.lets_pass()


def test_successes_in_between_keep_it_closed() -> None:
    own = Breaker("own")
    for _ in range(5):
        own.failed()
        own.failed()
        own.succeeded()
    assert own.lets_pass()


def test_a_page_waits_for_a_rung_once() -> None:
    asked: list[int] = []

    def answer() -> None:
        asked.append(1)
        raise OperationalError

    for _ in range(3):
        with pytest.raises(Unanswered):
            ask("own", answer)
    assert len(asked) == 1
    request_started.send(sender=None, environ={})
    with pytest.raises(Unanswered):
        ask("own", answer)
    assert len(asked) == 2


def test_bugs_of_the_shop_are_not_hidden() -> None:
    with pytest.raises(KeyError):
        ask("own", fail(KeyError("the shop's own")))


def test_lists_are_back_as_soon_as_the_database_is(take_database_away, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_tiny_version(make_products(6))
    port = connections["default"].settings_dict["PORT"]
    take_database_away()
    for _ in range(4):
        request_started.send(sender=None, environ={})
        assert for_you().rung == "nothing"
    assert "popular" in breakers.open_breakers()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", port)
    until = time.monotonic() + 5
    while for_you().rung != "popular":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert breakers.open_breakers() == []


# --- what takes longer than a page may


@pytest.fixture
def slow_trend(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Counter[str]:
    """How often what is trending was counted; once `slow` is set, it takes longer than a page's budget."""
    settings.RECOMMENDER_BUDGET_MS = 1_000
    count, counted = trending._by_events, Counter[str]()

    def by_events() -> Scored:
        counted["asked"] += 1
        if counted["slow"]:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_sleep(1.2)")
        return count()

    monkeypatch.setattr(trending, "_by_events", by_events)
    return counted


@pytest.fixture
def trend() -> list[Product]:
    products = make_products(6)
    publish_tiny_version(products)
    for _ in range(8):
        make_event(Visitor.objects.create(), products[1], days_ago=20)
        make_event(Visitor.objects.create(), products[4])
    return products


def trending_list() -> list[str]:
    return names(recommend(Query("trending", None, 1)))


def test_what_failed_is_not_tried_by_the_next_page(trend: list[Product], slow_trend: Counter[str]) -> None:
    slow_trend["slow"] = 1
    for _ in range(breakers.FAILURES + 2):
        recommend(Query("trending", None, 1))
        request_started.send(None)
    assert slow_trend["asked"] == 1
    assert not breakers.open_breakers()
    assert for_you().rung == "popular"  # the same rung


def test_the_list_from_before_goes_on_where_it_cannot_be_counted_again(
    trend: list[Product], slow_trend: Counter[str]
) -> None:
    assert trending_list() == ["Product 4"]
    cache.delete("recommender:trending:")  # its time is over
    slow_trend["slow"] = 1
    recommend(Query("trending", None, 1))
    request_started.send(None)
    assert trending_list() == ["Product 4"]
    assert slow_trend["asked"] == 2


def test_what_pages_gave_up_is_counted_beside_them(trend: list[Product], slow_trend: Counter[str]) -> None:
    slow_trend["slow"] = 1
    recommend(Query("trending", None, 1))
    Warmer()._look()
    request_started.send(None)
    assert trending_list() == ["Product 4"]
    assert slow_trend["asked"] == 2
    Warmer()._look()
    assert slow_trend["asked"] == 2
