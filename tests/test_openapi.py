"""Every endpoint against its own OpenAPI document, with whatever schemathesis thinks of, sense and nonsense."""

import os
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from recommender.api_keys import create_key
from recommender.models import ApiKey, Visitor
from recommender.serving.placements import DEFAULTS, FOR_YOU, known_placements, needs_items
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.worlds import make_event, make_products, publish_tiny_version

WANTED = os.environ.get("SCHEMATHESIS_EXAMPLES")  # 300 new ones before a release; without it the same few each time
EXAMPLES = int(WANTED or 15)  # an operation and mode
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
# The document is made while the tests are collected, when there is no database yet: the placements without rows.
known_placements.hold(DEFAULTS)
API = schemathesis.openapi.from_wsgi("/recommender/schema/?format=json", get_wsgi_application())
BATCH = "POST /recommender/recommendations/batch/"
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in API.get_all_operations())}


@pytest.fixture
def shop(db: None) -> Iterator[Product]:
    """A live version and a visitor; one of the products."""
    products, visitor = make_products(12), Visitor.objects.create()
    make_event(visitor, products[0])
    publish_tiny_version(products, [visitor])
    for signal in (request_started, request_finished):  # as Django's test client: the test's connection stays
        signal.disconnect(close_old_connections)
    yield products[0]
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("with_key", [False, True], ids=["browser", "app"])
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_endpoint_does_what_its_document_says(shop: Product, label: str, mode: Any, with_key: bool) -> None:
    operation = OPERATIONS[label]
    if mode is GenerationMode.NEGATIVE and not [*operation.iter_parameters(), *operation.body]:
        pytest.skip("there is nothing to get wrong")
    headers = {"Authorization": f"Api-Key {create_key('till', ApiKey.Scope)[1]}"} if with_key else {}
    token = recommend(Query(FOR_YOU, None, 3)).token

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET, database=None, derandomize=not WANTED)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        if case.meta.generation.mode is GenerationMode.POSITIVE:  # also of what cannot be got wrong
            for sent in (case.query, case.body):
                make_possible(sent, str(shop.pk), token)
            if label.startswith(BATCH):
                case.body, case.media_type = name_somebody(case.body), "application/json"
        case.call_and_validate(headers=headers)

    check()


def name_somebody(body: Any) -> dict[str, Any]:
    """Of both lists together one to a hundred, and no name with a NUL."""
    asked = body if isinstance(body, dict) else {}
    users = ["42"] * min(50, len(asked.get("users", [])) or 1)
    return {**asked, "visitors": asked.get("visitors", [])[:50], "users": users}


def make_possible(sent: Any, key: str, token: str) -> None:
    """What a document cannot say: how a key of this shop's items looks, what we signed, which lists need an item."""
    if not isinstance(sent, dict):
        return
    for name in ("item", "exclude"):
        if isinstance(sent.get(name), list):
            sent[name] = [key] * len(sent[name])
    if isinstance(sent.get("token"), str):
        sent["token"] = token
    if isinstance(sent.get("after"), list):
        sent["after"] = [token] * len(sent["after"])
    if (
        isinstance(sent.get("placement"), str)
        and sent["placement"] in DEFAULTS
        and needs_items(DEFAULTS[sent["placement"]])
        and not sent.get("item")
    ):
        sent["item"] = [key]


@pytest.mark.django_db
def test_every_body_and_answer_has_an_example_that_is_one(client: Client) -> None:
    document = client.get("/recommender/schema/", headers={"accept": "application/json"}).json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    places = [place for each in operations for place in (each.get("requestBody", {}), *each["responses"].values())]
    bodies = [
        place["content"]["application/json"] for place in places if "application/json" in place.get("content", {})
    ]
    assert len(bodies) > 50
    for body in bodies:
        assert body.get("examples"), body
        promised = _with_null({**body["schema"], "components": document["components"]})
        for example in body["examples"].values():
            jsonschema.validate(example["value"], promised)


def _with_null(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_with_null(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    known = {name: _with_null(value) for name, value in schema.items()}
    return {"anyOf": [known, {"type": "null"}]} if schema.get("nullable") is True else known
