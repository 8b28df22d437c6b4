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
from schemathesis.specs.openapi.checks import content_type_conformance, positive_data_acceptance

from recommender.api_keys import create_key
from recommender.models import ApiKey, Visitor
from recommender.serving.placements import DEFAULTS, known_placements
from tests.worlds import make_event, make_products, publish_tiny_version

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))  # an operation and mode; 100 before a release
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
# The document is made while the tests are collected, when there is no database yet: the placements without rows.
known_placements.hold(DEFAULTS)
API = schemathesis.openapi.from_wsgi("/recommender/schema/?format=json", get_wsgi_application())
LISTS = (
    "GET /recommender/recommendations/",
    "POST /recommender/recommendations/",
    "GET /recommender/items/",
    "GET /recommender/search/",
)
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in API.get_all_operations())}


@pytest.fixture
def shop(db: None) -> Iterator[None]:
    """A live version and a visitor."""
    products, visitor = make_products(12), Visitor.objects.create()
    make_event(visitor, products[0])
    publish_tiny_version(products, [visitor])
    for signal in (request_started, request_finished):  # as Django's test client: the test's connection stays
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("with_key", [False, True], ids=["browser", "app"])
@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_endpoint_does_what_its_document_says(shop: None, label: str, mode: Any, with_key: bool) -> None:
    operation = OPERATIONS[label]
    if mode is GenerationMode.NEGATIVE and not [*operation.iter_parameters(), *operation.body]:
        pytest.skip("there is nothing to get wrong")
    headers = {"Authorization": f"Api-Key {create_key('till', ApiKey.Scope)[1]}"} if with_key else {}
    # What a key of the shop's items or a token looks like, and that a placement needs an item, a document cannot say.
    excluded = [positive_data_acceptance] if label.startswith(LISTS) else []
    # A key with a line break matches no address of ours: the shop's own page says that it is not found.
    excluded += [content_type_conformance] if "{key}" in label else []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    check()


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
