from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from shop.basket import MAX_PRODUCTS, MAX_QUANTITY, SESSION_KEY
from shop.models import Product

ADD = "/basket/add/"
CHANGE = "/basket/change/"


def contents(client: Client) -> dict[str, int]:
    return client.session.get(SESSION_KEY, {})


def test_a_product_goes_in_and_the_plugin_hears_of_it(
    client: Client, milk: Product, sent_signals: list[tuple[str, dict[str, Any]]]
) -> None:
    response = client.post(ADD, {"product": milk.pk, "quantity": 2, "next": "/search/?q=milk"})
    assert response.headers["Location"] == f"/search/?q=milk#p-{milk.pk}"
    assert contents(client) == {str(milk.pk): 2}
    [(name, arguments)] = sent_signals
    assert (name, arguments["item"], arguments["quantity"]) == ("item_added", milk, 2)
    assert "In your basket: Fresh Milk, 1 gal" in client.get("/basket/").content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {"product": "999999"},
        {"product": "abc"},
        {"product": "\x00"},
        {"product": "9" * 40},
        {"quantity": "-1"},
        {"quantity": "0"},
        {"quantity": "1.5"},
        {"quantity": "100000"},
        {"product": ""},
    ],
)
def test_what_is_no_product_or_quantity_is_refused(
    client: Client, milk: Product, form: dict[str, str], sent_signals: list[Any]
) -> None:
    assert client.post(ADD, {"product": milk.pk} | form).status_code == 302
    assert contents(client) == {}
    assert sent_signals == []


def test_what_is_sold_out_or_off_the_shelf_does_not_go_in(
    client: Client, milk: Product, bread: Product, sent_signals: list[Any]
) -> None:
    Product.objects.filter(pk=milk.pk).update(stock=0)
    Product.objects.filter(pk=bread.pk).update(is_active=False)
    for product in (milk, bread):
        client.post(ADD, {"product": product.pk})
    assert contents(client) == {}
    assert sent_signals == []


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/x#y", ""])
def test_the_way_back_never_leaves_the_shop(client: Client, milk: Product, target: str) -> None:
    response = client.post(ADD, {"product": milk.pk, "next": target})
    assert response.headers["Location"] == f"/basket/#p-{milk.pk}"


def test_quantities_change_and_zero_takes_out(client: Client, milk: Product) -> None:
    client.post(ADD, {"product": milk.pk})
    client.post(CHANGE, {"product": milk.pk, "quantity": 7})
    assert contents(client) == {str(milk.pk): 7}
    client.post(CHANGE, {"product": milk.pk, "quantity": 0})
    assert contents(client) == {}


def test_a_change_puts_nothing_new_in(client: Client, milk: Product) -> None:
    client.post(CHANGE, {"product": milk.pk, "quantity": 3})
    assert contents(client) == {}


def test_there_are_limits(client: Client, milk: Product, bread: Product, sent_signals: list[Any]) -> None:
    client.post(ADD, {"product": milk.pk, "quantity": MAX_QUANTITY})
    client.post(ADD, {"product": milk.pk, "quantity": 1})
    assert contents(client) == {str(milk.pk): MAX_QUANTITY}
    session = client.session
    session[SESSION_KEY] = {str(10**6 + number): 1 for number in range(MAX_PRODUCTS)}
    session.save()
    client.post(ADD, {"product": bread.pk})
    assert str(bread.pk) not in contents(client)
    assert len(sent_signals) == 1


def test_more_than_there_is_is_told_at_once(client: Client, milk: Product) -> None:
    Product.objects.filter(pk=milk.pk).update(stock=3)
    assert 'max="3"' in client.get(f"/p/{milk.pk}/").content.decode()
    page = client.post(ADD, {"product": milk.pk, "quantity": 3}, follow=True).content.decode()
    assert "not enough" not in page
    page = client.post(ADD, {"product": milk.pk}, follow=True).content.decode()
    assert "In your basket: Fresh Milk, 1 gal" in page and "There is not enough of Fresh Milk, 1 gal left." in page
    assert 'max="3"' in page


def test_a_deleted_product_leaves_the_basket_quietly(client: Client, milk: Product, bread: Product) -> None:
    for product in (milk, bread):
        client.post(ADD, {"product": product.pk})
    milk.delete()
    page = client.get("/basket/").content.decode()
    assert "White Bread" in page
    assert "$0.99" in page


def test_the_basket_survives_the_login(client: Client, milk: Product, household: Any) -> None:
    client.post(ADD, {"product": milk.pk})
    client.post(reverse("shop:login"), {"username": "household-7", "password": "demo"})
    assert contents(client) == {str(milk.pk): 1}


def test_changes_are_posts_with_a_token(milk: Product) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.get(ADD).status_code == 405
    response = strict.post(ADD, {"product": milk.pk})
    assert response.status_code == 403
    assert "Please try again" in response.content.decode()
