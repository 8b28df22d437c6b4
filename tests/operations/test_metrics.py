import pytest
from django.contrib.auth.models import User
from django.test import Client

from recommender.api_keys import create_key
from recommender.capture.record import record_events
from recommender.models import ApiKey, Event, Visitor
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from tests.worlds import make_event, make_listed_products

URL = "/recommender/metrics/"
TOKEN = "a-token-of-more-than-20-characters"
pytestmark = pytest.mark.django_db


def read(client: Client) -> dict[str, float]:
    """Sample with its labels → value."""
    answer = client.get(URL, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture(autouse=True)
def token(settings) -> None:
    settings.RECOMMENDER_METRICS_TOKEN = TOKEN


def test_lists_are_counted_by_placement_and_rung(client: Client) -> None:
    products = make_listed_products()
    visitor = Visitor.objects.create()
    make_event(visitor, products[4])
    before = read(client)
    recommend(Query("for_you", visitor, 4))
    recommend(Query("for_you", None, 4))
    recommend(Query("buy_again", None, 4))
    after = read(client)

    def grown(sample: str) -> float:
        return after.get(sample, 0.0) - before.get(sample, 0.0)

    assert grown('recommender_list_seconds_count{placement="for_you",rung="personal"}') == 1
    assert grown('recommender_list_seconds_count{placement="for_you",rung="popular"}') == 1
    assert grown('recommender_empty_lists_total{placement="buy_again"}') == 1
    assert grown('recommender_candidates_count{stage="retrieved"}') == 1


def test_events_runs_and_the_live_version_come_from_the_database(client: Client) -> None:
    products = make_listed_products()
    rows = [{"item": products[0].pk, "kind": "view"}, {"item": -1, "kind": "view"}]
    record_events(Visitor.objects.create(), rows, source=Event.Source.SHOP)
    found = read(client)
    assert found["recommender_database_up"] == 1
    assert found['recommender_runs{status="published"}'] == 1
    assert found["recommender_live_version"] > 0
    stored = {name: value for name, value in found.items() if name.startswith("recommender_events_total")}
    assert sum(value for name, value in stored.items() if 'outcome="stored"' in name) == Event.objects.count() == 1
    assert sum(value for name, value in stored.items() if 'outcome="quarantined"' in name) == 1


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer "])
def test_strangers_read_nothing(client: Client, header: str) -> None:
    answer = client.get(URL, headers={"Authorization": header} if header else {})
    assert (answer.status_code, b"recommender_" in answer.content) == (403, False)


def test_without_a_token_only_staff_reads(client: Client, settings) -> None:
    settings.RECOMMENDER_METRICS_TOKEN = None
    assert client.get(URL, headers={"Authorization": "Bearer None"}).status_code == 403
    client.force_login(User.objects.create_user("boss", is_staff=True))
    assert client.get(URL).status_code == 200


def test_a_key_reads_them_with_its_scope(client: Client) -> None:
    keys = [create_key("prometheus", [scope])[1] for scope in (ApiKey.Scope.METRICS, ApiKey.Scope.LISTS)]
    statuses = [client.get(URL, headers={"Authorization": f"Api-Key {key}"}).status_code for key in [*keys, "wrong"]]
    assert statuses == [200, 403, 403]
