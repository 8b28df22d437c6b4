"""A key opens what it was made for and nothing else; every refusal has the one shape of the API's errors."""

import json
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from recommender.api_keys import create_key
from recommender.models import ApiKey, Visitor
from tests.worlds import make_listed_products

Scope = ApiKey.Scope
LISTS, EVENTS, VISITOR = "/recommender/recommendations/", "/recommender/events/", "/recommender/visitor/"
# method, address, body, the scope that it needs
DOORS = [
    ("GET", LISTS, None, Scope.LISTS),
    ("HEAD", LISTS, None, Scope.LISTS),
    ("GET", "/recommender/items/{item}/similar/", None, Scope.LISTS),
    ("POST", f"{LISTS}batch/", {"users": ["0"]}, Scope.LISTS),
    ("GET", "/recommender/search/", None, Scope.SEARCH),
    ("POST", EVENTS, {"events": []}, Scope.EVENTS),
    ("GET", VISITOR, None, Scope.EXPORT),
    ("DELETE", VISITOR, None, Scope.ERASE),
]
by_door = pytest.mark.parametrize(("method", "address", "body", "scope"), DOORS)


def ask(method: str, address: str, body: Any, scopes: list[str]) -> Any:
    visitor, item = Visitor.objects.create(), make_listed_products(3)[0]
    client = Client(headers={"authorization": f"Api-Key {create_key('app', scopes)[1]}"})
    url = f"{address.format(item=item.pk)}?visitor={visitor.key}&q=product"
    return client.generic(method, url, json.dumps(body), content_type="application/json")


@pytest.mark.django_db
@by_door
def test_a_key_with_the_scope_alone_is_enough(method: str, address: str, body: Any, scope: Scope) -> None:
    assert ask(method, address, body, [scope]).status_code in (200, 202, 204)


@pytest.mark.django_db
@by_door
def test_a_key_with_every_other_scope_is_refused_by_name(method: str, address: str, body: Any, scope: Scope) -> None:
    answer = ask(method, address, body, [other for other in Scope if other != scope])
    assert answer.status_code == 403
    if method != "HEAD":
        told = answer.json()
        assert (told["version"], told["code"]) == (1, "missing_scope") and f"“{scope}”" in told["reason"]


@pytest.mark.django_db
def test_consent_is_a_visitor_s_own() -> None:
    client = Client(headers={"authorization": f"Api-Key {create_key('app', Scope)[1]}"})
    assert client.get("/recommender/consent/").json()["code"] == "not_for_keys"
    assert client.post("/recommender/consent/", {"level": "none"}).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "address", "headers", "status", "code"),
    [
        ("GET", f"{LISTS}?n=0", {}, 400, "invalid"),
        ("GET", LISTS, {"authorization": "Api-Key nonsense"}, 401, "bad_key"),
        ("POST", EVENTS, {"authorization": "Api-Key nonsense"}, 401, "bad_key"),
        ("POST", f"{LISTS}batch/", {}, 401, "not_authenticated"),
        ("GET", f"{LISTS}?user=1", {}, 403, "key_needed"),
        ("GET", "/recommender/items/987654321/similar/", {}, 404, "unknown_item"),
        ("PUT", LISTS, {}, 405, "method_not_allowed"),
        ("POST", EVENTS, {"content-type": "text/csv"}, 415, "media_type"),
        ("POST", "/recommender/consent/", {"content-type": "text/csv"}, 415, "unsupported_media_type"),
    ],
)
def test_every_error_has_one_shape(
    client: Client, method: str, address: str, headers: dict[str, str], status: int, code: str
) -> None:
    content_type = headers.pop("content-type", "application/json")
    answer = client.generic(method, address, "{}", content_type=content_type, headers=headers)
    told = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert (told["version"], told["code"]) == (1, code) and isinstance(told["reason"], str)
    assert set(told) - {"fields"} == {"version", "code", "reason"}
    assert ("fields" in told) == (code == "invalid")


@pytest.mark.django_db(transaction=True)
def test_keys_from_before_scopes_may_do_what_they_could() -> None:
    migration = import_module("recommender.migrations.0007_key_scopes").Migration
    executor = MigrationExecutor(connection)
    executor.migrate(list(migration.dependencies))
    try:
        old = executor.loader.project_state(list(migration.dependencies)).apps.get_model("recommender", "ApiKey")
        key_id = old.objects.create(name="old", prefix="0" * 12, key_sha256="0" * 64).pk
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert ApiKey.objects.get(pk=key_id).scopes == ["lists", "events", "export", "erase"]
