from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client, RequestFactory

from shop.basket import BasketLine
from shop.checkout import OutOfStock, place_order
from shop.models import Household, Order, Product


def fill(client: Client, product: Product, quantity: int = 2) -> str:
    """Put something in, open the checkout; the key in its form."""
    client.post("/basket/add/", {"product": product.pk, "quantity": quantity})
    return str(client.get("/checkout/").context["checkout_key"])


def test_an_order_is_placed_and_the_plugin_hears_of_it(
    client: Client,
    milk: Product,
    household: Household,
    sent_signals: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    client.force_login(household.user)
    key = fill(client, milk)
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post("/checkout/", {"checkout_key": key})
    order = Order.objects.get()
    assert response.headers["Location"] == f"/orders/{order.pk}/"
    assert (order.user, order.total_cents) == (household.user, 538)
    milk.refresh_from_db()
    assert (milk.stock, milk.times_bought) == (3, 11)
    name, arguments = sent_signals[-1]
    assert name == "order_placed"
    assert (arguments["order_id"], arguments["lines"]) == (order.pk, [(milk, 2, 538)])
    page = client.get(response.headers["Location"]).content.decode()
    assert "Fresh Milk, 1 gal" in page
    assert client.get("/basket/").context["basket_count"] == 0


def test_the_same_form_sent_twice_is_one_order(client: Client, milk: Product) -> None:
    key = fill(client, milk)
    first = client.post("/checkout/", {"checkout_key": key})
    fill(client, milk)  # something new in the basket: still the old order
    assert client.post("/checkout/", {"checkout_key": key}).headers["Location"] == first.headers["Location"]
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_time_are_one_order(milk: Product) -> None:
    key = uuid4()

    def click(_: int) -> int:
        request = RequestFactory().post("/checkout/")
        request.user = AnonymousUser()
        try:
            return place_order(request, [BasketLine(milk, 1)], key).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(click, range(4)))) == 1
    milk.refresh_from_db()
    assert milk.stock == 4


def test_what_is_short_is_told_before_the_checkout(client: Client, milk: Product) -> None:
    client.post("/basket/add/", {"product": milk.pk, "quantity": 5})
    Product.objects.filter(pk=milk.pk).update(stock=2)
    response = client.get("/checkout/", follow=True)
    assert response.redirect_chain == [("/basket/", 302)]
    page = response.content.decode()
    assert "There is not enough of Fresh Milk, 1 gal left." in page and "Only 2 left" in page
    client.post("/basket/change/", {"product": milk.pk, "quantity": 2})
    assert client.get("/checkout/").status_code == 200


def test_nothing_is_written_when_the_stock_is_short(client: Client, milk: Product, bread: Product) -> None:
    client.post("/basket/add/", {"product": bread.pk})
    Product.objects.filter(pk=milk.pk).update(stock=6)
    key = fill(client, milk, quantity=6)
    Product.objects.filter(pk=milk.pk).update(stock=5)  # somebody was faster
    response = client.post("/checkout/", {"checkout_key": key}, follow=True)
    assert "There is not enough of Fresh Milk, 1 gal left." in response.content.decode()
    assert not Order.objects.exists()
    bread.refresh_from_db()
    assert bread.stock == 50


def test_a_product_taken_off_the_shelf_is_not_sold(milk: Product, rf: RequestFactory) -> None:
    Product.objects.filter(pk=milk.pk).update(is_active=False)
    request = rf.post("/checkout/")
    request.user = AnonymousUser()
    with pytest.raises(OutOfStock):
        place_order(request, [BasketLine(milk, 1)], uuid4())


@pytest.mark.parametrize("key", ["", "abc", "\x00", str(UUID(int=0))])
def test_a_wrong_key_or_an_empty_basket_places_nothing(client: Client, db: None, key: str) -> None:
    assert client.post("/checkout/", {"checkout_key": key}).status_code == 302
    assert client.get("/checkout/").status_code == 302
    assert not Order.objects.exists()


def test_only_who_placed_an_order_sees_it(client: Client, milk: Product, household: Household) -> None:
    place = client.post("/checkout/", {"checkout_key": fill(client, milk)}).headers["Location"]
    assert client.get(place).status_code == 200  # this browser, without an account
    stranger = Client()
    assert stranger.get(place).status_code == 404
    stranger.force_login(household.user)
    assert stranger.get(place).status_code == 404
    assert stranger.post(f"{place}again/").status_code == 404


def test_buy_again_fills_the_basket_with_what_there_is(
    client: Client, milk: Product, bread: Product, household: Household, sent_signals: list[Any]
) -> None:
    client.force_login(household.user)
    client.post("/basket/add/", {"product": bread.pk})
    place = client.post("/checkout/", {"checkout_key": fill(client, milk)}).headers["Location"]
    Product.objects.filter(pk=bread.pk).update(stock=0)
    page = client.post(f"{place}again/", follow=True)
    assert "1 product is in your basket." in page.content.decode()
    assert [line.product for line in page.context["lines"]] == [milk]
    assert sent_signals[-1][0] == "item_added"


def test_the_history_needs_a_login_and_shows_only_own_orders(
    client: Client, milk: Product, household: Household
) -> None:
    assert client.get("/orders/").headers["Location"] == "/login/?next=/orders/"
    client.post("/checkout/", {"checkout_key": fill(client, milk)})  # nobody's
    client.force_login(household.user)
    page = client.get("/orders/").content.decode()
    assert "No orders yet." in page
    assert "45-54" in page
