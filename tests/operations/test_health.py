import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client, RequestFactory
from django.utils import timezone

from recommender.index.publish import forget_live_version
from recommender.models import Heartbeat
from recommender.operations.health import forget_health, note_beat
from recommender.operations.views import health, metrics
from recommender.tasks import sweep
from tests.worlds import make_listed_products

URL = "/recommender/health/"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget_health()
    yield
    forget_health()


def test_a_shop_where_all_is_well_is_ready(client: Client) -> None:
    make_listed_products(3)
    note_beat()
    answer = client.get(URL)
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "reasons": []})
    assert "no-store" in answer["Cache-Control"]


def test_what_is_missing_is_named_for_everybody_and_explained_to_staff(client: Client) -> None:
    assert client.get(URL).json() == {"status": "degraded", "reasons": ["beat", "no_version"]}
    client.force_login(User.objects.create_user("boss", is_staff=True))
    assert "recommender_train" in client.get(URL).json()["reasons"]["no_version"]


def test_a_customer_is_no_staff(client: Client) -> None:
    client.force_login(User.objects.create_user("customer"))
    assert isinstance(client.get(URL).json()["reasons"], list)


def test_a_shop_without_admin_has_accounts_without_a_word_on_staff(rf: RequestFactory) -> None:
    request = rf.get(URL)
    request.user = SimpleNamespace(pk=1, is_authenticated=True, is_active=True)  # as AbstractBaseUser has it
    assert health(request).status_code == 200 and metrics(request).status_code == 403


def test_a_beat_that_fell_silent_is_noticed(client: Client) -> None:
    make_listed_products(3)
    sweep()
    assert client.get(URL).json()["status"] == "ready"
    Heartbeat.objects.update(at=timezone.now() - timezone.timedelta(minutes=3))
    forget_health()
    assert client.get(URL).json()["reasons"] == ["beat"]


def test_tables_that_are_not_there_make_it_unready(client: Client) -> None:
    make_listed_products(3)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_heartbeat RENAME TO elsewhere")
    answer = client.get(URL)
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["migrations"])


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_no_reason_to_take_the_process_out(client: Client, monkeypatch) -> None:
    make_listed_products(3)
    for wrapper in connections.all():
        wrapper.close()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    forget_live_version()
    answer = client.get(URL)
    assert (answer.status_code, answer.json()) == (200, {"status": "degraded", "reasons": ["database"]})


def test_it_is_asked_at_most_once_a_second(client: Client, django_assert_num_queries) -> None:
    client.get(URL)
    with django_assert_num_queries(0):
        assert json.loads(client.get(URL).content)["status"] == "degraded"


def test_live_asks_nothing(client: Client, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert client.get("/recommender/health/live/").json() == {"status": "live"}
