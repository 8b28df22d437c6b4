"""All that is stored of somebody, as JSON: for the visitor, for apps with a key, in admin, from the command line."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from recommender.api_keys import create_key
from recommender.capture.accounts import account_visitor
from recommender.models import Visitor
from shop.models import Product
from tests.privacy.conftest import PostView
from tests.worlds import make_event, publish_tiny_version


def test_everything_that_names_the_visitor_is_in_it(user: User, products: list[Product], capsys: Any) -> None:
    visitor = account_visitor(user.pk)
    event = make_event(visitor, products[0])
    version = publish_tiny_version(products, [visitor])
    call_command("recommender_export_visitor", "--user", str(user.pk))
    (found,) = json.loads(capsys.readouterr().out)["visitors"]
    assert (found["key"], found["account"]) == (str(visitor.key), str(user.pk))
    (row,) = found["event"]
    assert (row["id"], row["item_title"]) == (str(event.pk), products[0].name)
    (vector,) = found["visitorembedding"]
    assert vector["version_id"] == version.pk and len(vector["vector"]) == version.dim
    tables = {
        field.related_model._meta.model_name
        for field in Visitor._meta.get_fields(include_hidden=True)
        if not field.concrete
    }
    assert tables <= set(found)


def test_a_visitor_gets_its_own_and_nobody_elses(
    browser: Client, user: User, product: Product, post_view: PostView
) -> None:
    make_event(account_visitor(user.pk), product)
    assert browser.get("/recommender/visitor/").json() == {"visitors": []}
    post_view(browser, product)
    response = browser.get("/recommender/visitor/")
    (found,) = response.json()["visitors"]
    assert (found["account"], len(found["event"])) == (None, 1)
    assert response["Cache-Control"] == "private, no-store"
    assert browser.get(f"/recommender/visitor/?user={user.pk}").status_code == 403


def test_an_app_with_a_key_gets_whom_it_names(user: User, product: Product) -> None:
    make_event(account_visitor(user.pk), product)
    app = Client(headers={"authorization": f"Api-Key {create_key('app', ['export'])[1]}"})
    (found,) = app.get(f"/recommender/visitor/?user={user.pk}").json()["visitors"]
    assert found["account"] == str(user.pk)
    assert app.get("/recommender/visitor/").json() == {"visitors": []}


def test_the_events_of_deleted_items_are_in_it(browser: Client, product: Product, post_view: PostView) -> None:
    post_view(browser, product)
    Product.objects.all().delete()
    (found,) = browser.get("/recommender/visitor/").json()["visitors"]
    assert found["event"][0]["item_title"] is None


@pytest.fixture
def ana(user: User, product: Product) -> Visitor:
    visitor = account_visitor(user.pk)
    make_event(visitor, product)
    return visitor


def test_admin_exports_and_erases(admin_client: Client, ana: Visitor) -> None:
    page = f"/admin/recommender/visitor/{ana.pk}"
    (found,) = admin_client.get(f"{page}/export/").json()["visitors"]
    assert len(found["event"]) == 1
    assert b"Erase" in admin_client.get(f"{page}/change/").content
    assert "One event and all vectors" in admin_client.get(f"{page}/erase/").content.decode()
    assert ana.events.count() == 1
    assert admin_client.post(f"{page}/erase/").status_code == 302
    assert not Visitor.objects.exists()


def test_admins_log_names_nobody(admin_client: Client, ana: Visitor) -> None:
    from django.contrib.admin.models import LogEntry

    admin_client.post(f"/admin/recommender/visitor/{ana.pk}/erase/")
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.object_id) == ("a visitor", None)


def test_admin_erases_only_with_the_permission(client: Client, ana: Visitor, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.post(f"/admin/recommender/visitor/{ana.pk}/erase/").status_code == 403
    assert client.get(f"/admin/recommender/visitor/{ana.pk}/export/").status_code == 403
    assert ana.events.count() == 1
