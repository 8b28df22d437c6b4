"""Our addresses in a shop that asks everybody to log in: browsers, probes and apps come without an account."""

import json
from typing import Any

import pytest
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.test import Client

from recommender.api_keys import create_key
from recommender.models import ApiKey
from recommender.urls import urlpatterns
from tests.worlds import make_products

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def members_only(settings: Any) -> None:
    name = f"{LoginRequiredMiddleware.__module__}.{LoginRequiredMiddleware.__name__}"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], name, settings.MIDDLEWARE[-1]]


@pytest.mark.parametrize("pattern", urlpatterns, ids=str)
def test_each_says_itself_who_may_come_in(client: Client, pattern: Any) -> None:
    address = f"/recommender/{pattern.pattern}".replace("<recommender_key:key>", "1")
    answer = client.get(address.replace("<str:token>", "forged").replace("<str:signed>", "forged"))
    assert answer.status_code != 302, answer["Location"]


def test_an_app_with_a_key_sends_events() -> None:
    (product,) = make_products(1)
    app = Client(headers={"authorization": f"Api-Key {create_key('app', [ApiKey.Scope.EVENTS])[1]}"})
    body = json.dumps({"events": [{"item": product.pk, "kind": "view"}]})
    key = "6f9619ff-8b86-4011-b42d-00cf4fc964ff"
    answer = app.post(f"/recommender/events/?visitor={key}", body, content_type="application/json")
    assert (answer.status_code, answer.json()["stored"]) == (202, 1)
