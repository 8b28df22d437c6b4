"""A shop whose router reads from a replica: here one that is not there, so that whatever asks it fails."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import router
from django.test import Client

from recommender import refresh
from recommender.catalog import item_model
from recommender.models import Event, ItemChange, Visitor, VisitorJoin
from recommender.routers import InDefault
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db


class FromReplica:
    """Reads what the plugin stores and the shop's items from elsewhere."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "replica" if model is item_model() or model._meta.app_label == "recommender" else None

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


@pytest.fixture
def products(settings: Any) -> list[Product]:
    """From here on reading is routed."""
    made = make_listed_products()
    settings.DATABASE_ROUTERS = ["recommender.routers.InDefault", FromReplica()]
    assert router.db_for_read(Product) == "replica" != router.db_for_read(Event)
    return made


@pytest.mark.parametrize(
    ("placement", "rung"),
    [("for_you", "personal"), ("similar_items", "item"), ("recently_viewed", "personal"), ("trending", "popular")],
)
def test_lists_come_from_the_default_database(products: list[Product], placement: str, rung: str) -> None:
    visitor = Visitor.objects.create()
    make_event(visitor, products[0], Event.Kind.VIEW)
    found = recommend(Query(placement, visitor, 3, products[1].pk))
    assert found.rung == rung and found.entries


def test_a_login_takes_over_what_was_stored_a_moment_ago(products: list[Product]) -> None:
    user = User.objects.create_user("household-1", password="demo")
    browser = Client(headers={"origin": "http://testserver"})
    body = json.dumps({"events": [{"item": products[0].pk, "kind": "view"}]})
    assert browser.post("/recommender/events/", body, content_type="application/json").status_code == 202
    assert browser.post("/login/", {"username": "household-1", "password": "demo"}).status_code == 302
    assert Event.objects.get().visitor.user == user == VisitorJoin.objects.get().visitor.user


def test_a_saved_item_is_read_where_it_was_saved(products: list[Product]) -> None:
    products[0].save(using="default")
    assert refresh.export_items([ItemChange.objects.get().item_id]).title == [products[0].name]


def test_of_what_is_not_ours_it_says_nothing() -> None:
    ours, own = InDefault(), User()
    assert ours.db_for_read(User) is ours.db_for_write(User) is ours.allow_relation(own, own) is None
    assert ours.allow_relation(Visitor(), own) is ours.allow_relation(own, Visitor()) is True
    assert ours.allow_migrate("other", "shop") is None
    assert (ours.allow_migrate("other", "recommender"), ours.allow_migrate("default", "recommender")) == (False, True)
