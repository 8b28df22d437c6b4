"""Visitors are served by their arm, and the list says so; nobody waits for it."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from recommender.capture.impressions import shown, store_impressions
from recommender.capture.tables import PURCHASE, VIEW
from recommender.index.publish import prune
from recommender.models import HOLDOUT_ARM, Event, Experiment, Impression, Visitor
from recommender.serving import arms as serving_arms
from recommender.serving.arms import arm_of, forget_running
from recommender.serving.query import Query, Recommendations
from recommender.serving.recommend import recommend
from recommender.tokens import read_impressions
from tests.experiment_worlds import run_experiment, visitor_in
from tests.worlds import make_event, make_listed_products, make_products, publish_tiny_version, write_tiny_version

pytestmark = pytest.mark.django_db
NONE = Event.Doubt.NONE


def for_you(visitor: Visitor | None, n: int = 4) -> Recommendations:
    return recommend(Query("for_you", visitor, n))


def claims(found: Recommendations) -> dict[str, Any]:
    read = read_impressions(found.token)
    assert read is not None
    return read


def numbers(found: Recommendations) -> list[int]:
    return [int(entry.item.name.split()[-1]) for entry in found.entries]


def test_without_an_experiment_nobody_has_an_arm() -> None:
    make_listed_products()
    assert "a" not in claims(for_you(visitor_in(0)))


def test_the_popular_arm_sees_the_popular_list_and_the_other_its_own() -> None:
    products = make_listed_products()
    arms = run_experiment("popular", "live")
    for place, rung in enumerate(("popular", "personal")):
        visitor = visitor_in(place)
        make_event(visitor, products[5], VIEW)
        found = for_you(visitor)
        assert (found.rung, claims(found)["a"]) == (rung, arms[place].pk)


def test_a_version_serves_its_arm_only() -> None:
    products = make_products(20)
    live = publish_tiny_version(products)
    other = write_tiny_version(products, groups=4)
    run_experiment("live", "version", version=other)
    for place, version in enumerate((live, other)):
        visitor = visitor_in(place)
        make_event(visitor, products[5], VIEW)
        assert for_you(visitor).version_id == version.pk
        assert recommend(Query("similar_items", visitor, 4, products[5].pk)).version_id == version.pk


def test_somebody_without_a_key_is_in_no_arm() -> None:
    make_listed_products()
    run_experiment("popular", "live")
    assert "a" not in claims(for_you(None))


def test_who_does_not_take_part_is_served_as_ever() -> None:
    products = make_listed_products()
    run_experiment("popular", "popular", share=0.0)
    visitor = visitor_in(0)
    make_event(visitor, products[5], VIEW)
    assert for_you(visitor).rung == "personal"
    assert arm_of(visitor) is None


def test_the_holdout_sees_what_is_popular_and_is_in_no_experiment(settings: Any) -> None:
    settings.RECOMMENDER_HOLDOUT_VISITORS_SHARE = 1.0
    products = make_listed_products()
    run_experiment("live", "live")
    visitor = visitor_in(1)
    make_event(visitor, products[5], VIEW)
    found = for_you(visitor)
    assert (found.rung, claims(found)["a"]) == ("popular", HOLDOUT_ARM)


def test_an_arm_costs_no_statement() -> None:
    products = make_listed_products()
    visitor = visitor_in(1)
    make_event(visitor, products[5], VIEW)

    def statements() -> int:
        for_you(visitor)  # version, encoder and experiment are in memory from here on
        with CaptureQueriesContext(connection) as queries:
            for_you(visitor)
        return len(queries)

    before = statements()
    run_experiment("popular", "live")
    assert statements() == before


def test_after_the_login_the_accounts_arm_counts(client: Client) -> None:
    make_listed_products()
    run_experiment("popular", "live")
    browser, account = visitor_in(0), visitor_in(1)
    account.user = get_user_model().objects.create(username="somebody")
    account.save()
    arms = [arm_of(visitor) for visitor in (browser, account)]
    assert None not in arms and arms[0] != arms[1]
    client.force_login(account.user)
    token = client.get("/recommender/recommendations/").json()["token"]
    assert (read_impressions(token) or {})["a"] == arms[1].id


def test_a_stopped_experiment_is_over() -> None:
    make_listed_products()
    run_experiment("popular", "live")
    visitor = visitor_in(0)
    assert arm_of(visitor) is not None
    Experiment.objects.update(status="stopped")
    forget_running()
    assert arm_of(visitor) is None


def test_a_database_that_is_away_changes_nobodys_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    run_experiment("popular", "live")
    visitor = visitor_in(0)
    before = arm_of(visitor)
    monkeypatch.setattr(serving_arms, "_cached", (serving_arms.running(), 0.0))
    with mock.patch.object(serving_arms, "reading", side_effect=OperationalError("away")):
        assert arm_of(visitor) == before is not None


def test_the_versions_of_an_experiment_are_kept(settings: Any) -> None:
    settings.RECOMMENDER_VERSIONS_KEPT = 1
    products = make_products(6)
    tested = write_tiny_version(products)
    publish_tiny_version(products)
    run_experiment("live", "version", version=tested)
    publish_tiny_version(products)
    prune()
    tested.refresh_from_db()
    assert tested.has_vectors


def test_the_arm_comes_back_with_impressions_and_clicks() -> None:
    products = make_listed_products()
    arms = run_experiment("popular", "live")
    visitor = visitor_in(1)
    make_event(visitor, products[5], VIEW)
    found = for_you(visitor)
    assert store_impressions(visitor, [{"token": found.token, "slots": [1]}], NONE) == 1
    assert Impression.objects.get().arm_id == arms[1].pk
    assert (shown(visitor, found.entries[0].item.pk, found.token) or {})["arm"] == arms[1].pk


def test_impressions_outside_of_an_experiment_have_no_arm() -> None:
    make_listed_products()
    visitor = Visitor.objects.create()
    store_impressions(visitor, [{"token": for_you(visitor).token, "slots": [1]}], NONE)
    assert Impression.objects.get().arm_id is None


# --- the classic strategies


def links(n: int, relation: int) -> list[bytes]:
    """Item i leads to i + 1 strongly and to i + 2 weakly, by one relation only (0 follow, 2 content)."""
    from recommender.dataset.link_packing import pack_links

    packed = []
    for place in range(n):
        rows = np.array([row + 1 for row in (place + 1, place + 2) if row < n], dtype=np.int64)
        strengths = np.zeros((len(rows), 3), dtype=np.float32)
        strengths[:, relation] = [0.9, 0.3][: len(rows)]
        packed.append(pack_links(rows, strengths))
    return packed


@pytest.mark.parametrize(("strategy", "relation"), [("item_knn", 0), ("content", 2)])
def test_a_classic_arm_follows_its_own_relation(strategy: str, relation: int) -> None:
    products = make_products(20)
    publish_tiny_version(products, links=links(20, relation))
    run_experiment("live", strategy)
    visitor = visitor_in(1)
    make_event(visitor, products[5], PURCHASE)
    found = for_you(visitor)
    assert (found.rung, numbers(found)) == ("personal", [6, 7])


@pytest.mark.parametrize(("strategy", "relation"), [("item_knn", 2), ("content", 0)])
def test_where_its_relation_leads_nowhere_a_classic_arm_shows_what_is_popular(strategy: str, relation: int) -> None:
    products = make_products(20)
    publish_tiny_version(products, links=links(20, relation))
    run_experiment("live", strategy)
    visitor = visitor_in(1)
    make_event(visitor, products[5], PURCHASE)
    assert for_you(visitor).rung == "popular"


def test_the_habits_arm_shows_what_the_visitor_buys() -> None:
    products = make_listed_products()
    run_experiment("live", "habits")
    visitor = visitor_in(1)
    for number in (5, 5, 8):
        make_event(visitor, products[number], PURCHASE, days_ago=1)
    assert numbers(for_you(visitor)) == [5, 8]


def test_a_classic_arm_without_a_live_version_still_has_a_list() -> None:
    products = make_products(5)
    run_experiment("live", "item_knn")
    visitor = visitor_in(1)
    make_event(visitor, products[1], PURCHASE)
    assert for_you(visitor).rung == "popular"


# --- two versions in one list


def test_an_interleaved_list_holds_both_versions_and_says_whose_each_slot_is() -> None:
    products = make_products(20)
    live = publish_tiny_version(products)
    other = write_tiny_version(products, groups=5)
    arms = run_experiment("interleaved", version=other)
    visitor = visitor_in(0, 1)
    make_event(visitor, products[5], VIEW)
    found = for_you(visitor, 8)
    picks = claims(found)["t"]
    assert (found.version_id, claims(found)["a"], len(picks)) == (live.pk, arms[0].pk, 8)
    assert set(picks) == {0, 1}
    assert len(set(numbers(found))) == 8
    assert all(number % 2 == 1 for number, pick in zip(numbers(found), picks, strict=True) if pick == 0)
    assert [entry.slot for entry in found.entries] == list(range(1, 9))


def test_a_click_on_an_interleaved_list_says_whose_pick_it_was() -> None:
    products = make_products(20)
    publish_tiny_version(products)
    run_experiment("interleaved", version=write_tiny_version(products, groups=5))
    visitor = visitor_in(0, 1)
    make_event(visitor, products[5], VIEW)
    found = for_you(visitor, 8)
    picks = claims(found)["t"]
    assert [(shown(visitor, entry.item.pk, found.token) or {})["pick"] for entry in found.entries] == picks


def test_where_one_version_does_not_know_the_visitor_nothing_is_compared() -> None:
    products = make_products(20)
    publish_tiny_version(products)
    run_experiment("interleaved", version=write_tiny_version(make_products(6, "Other")))
    visitor = visitor_in(0, 1)
    make_event(visitor, products[5], VIEW)
    found = for_you(visitor)
    assert found.rung == "personal"
    assert "t" not in claims(found)


def test_other_lists_of_an_interleaved_arm_come_from_the_live_version() -> None:
    products = make_products(20)
    live = publish_tiny_version(products)
    run_experiment("interleaved", version=write_tiny_version(products, groups=5))
    found = recommend(Query("similar_items", visitor_in(0, 1), 4, products[5].pk))
    assert found.version_id == live.pk
    assert "t" not in claims(found)
