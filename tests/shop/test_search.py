import pytest
from django.db import connection
from django.test import Client

from shop.models import Product
from shop.search import search_products


def found(text: str) -> list[str]:
    return [product.name for product in search_products(text)]


def test_words_are_found_in_any_form_best_first(three_products: list[Product]) -> None:
    assert found("milks") == ["Fresh Milk, 1 gal", "Chocolate Milk"]  # the name has it, and the description too
    assert found("chocolate milk") == ["Chocolate Milk"]
    assert found("milk -chocolate") == ["Fresh Milk, 1 gal"]
    assert sorted(found("bread or chocolate")) == ["Chocolate Milk", "White Bread"]


def test_beginnings_of_words_are_found(three_products: list[Product]) -> None:
    assert found("choc") == ["Chocolate Milk"]
    assert found("whi bre") == ["White Bread"]


def test_what_is_off_the_shelf_is_not_found(milk: Product) -> None:
    Product.objects.update(is_active=False)
    assert found("milk") == []


@pytest.mark.parametrize(
    "text", ["", "  ", "zzz", "\x00", "'", "& | !", "(((", "a" * 5000, "牛奶", "the", "%", "milk:*"]
)
def test_no_input_breaks_it(client: Client, three_products: list[Product], text: str) -> None:
    response = client.get("/search/", {"q": text})
    assert response.status_code == 200
    assert "<script>" not in response.content.decode()


def test_what_was_typed_is_shown_escaped(client: Client, three_products: list[Product]) -> None:
    page = client.get("/search/", {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_the_search_has_an_index(milk: Product) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "shop_product_search" in search_products("milk").explain()


def test_a_changed_name_is_found_at_once(milk: Product) -> None:
    milk.name = "Oat Drink"
    milk.save()
    assert found("oat") == ["Oat Drink"]
