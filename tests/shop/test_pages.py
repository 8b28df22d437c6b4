import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from recommender.models import Visitor
from shop.models import Category, Department, Household, Product
from shop.templatetags.shop import grouped
from tests.worlds import make_event, make_products, publish_tiny_version

EMPTY_SHOP_PAGES = ["/", "/search/", "/search/?q=milk", "/basket/", "/login/"]


@pytest.mark.parametrize("path", EMPTY_SHOP_PAGES)
def test_pages_of_a_shop_without_products(client: Client, db: None, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert "<h1>" in response.content.decode()


def test_an_empty_shop_says_so(client: Client, db: None) -> None:
    assert "The shelves are still empty." in client.get("/").content.decode()


def test_every_page_of_a_shop_with_three_products(client: Client, three_products: list[Product]) -> None:
    milk = three_products[0]
    paths = [
        *EMPTY_SHOP_PAGES,
        "/d/dairy-eggs/",
        "/c/dairy-eggs-milk/",
        f"/p/{milk.pk}/",
        "/d/dairy-eggs/?sort=dear&page=9",
    ]
    for path in paths:
        assert client.get(path).status_code == 200, path
    shelf = client.get("/d/dairy-eggs/")
    assert "$2.69" in shelf.content.decode()
    assert [product.name for product in shelf.context["page"]] == ["Fresh Milk, 1 gal", "Chocolate Milk"]


def test_the_product_page_tells_the_plugin(
    client: Client, milk: Product, sent_signals: list[tuple[str, dict[str, Any]]]
) -> None:
    page = client.get(f"/p/{milk.pk}/").content.decode()
    assert "Add to basket" in page
    assert [(name, arguments["item"]) for name, arguments in sent_signals] == [("item_viewed", milk)]


def test_a_sold_out_product_has_a_page_but_no_button(client: Client, milk: Product) -> None:
    Product.objects.update(stock=0)
    page = client.get(f"/p/{milk.pk}/").content.decode()
    assert "Sold out" in page
    assert "Add to basket" not in page


def test_a_sold_out_product_leads_to_similar_ones_first(client: Client, db: None) -> None:
    products = make_products(12)
    publish_tiny_version(products)
    lists = re.compile(r'data-recommender-placement="(\w+)"')
    for stock, first in ((9, "bought_together"), (0, "similar_items")):
        Product.objects.filter(pk=products[0].pk).update(stock=stock)
        assert lists.findall(client.get(f"/p/{products[0].pk}/").content.decode())[0] == first


@pytest.mark.parametrize("consent", ["full", "none"])
def test_the_greeting_promises_no_more_than_the_list_holds(client: Client, household: Household, consent: str) -> None:
    products = make_products(12)
    visitor = Visitor.objects.create(user=household.user)
    for product in products[:3]:
        make_event(visitor, product)
    publish_tiny_version(products, [visitor])
    client.force_login(household.user)
    client.post("/recommender/consent/", {"level": consent, "next": "/"})
    page = client.get("/").content.decode()
    assert "Welcome back." in page and page.count("rec-list--for_you") == 1
    assert ("sorted for your household" in page) == (consent == "full")


def test_what_is_off_the_shelf_has_no_page_and_no_tile(client: Client, three_products: list[Product]) -> None:
    Product.objects.filter(category__department__slug="bread-bakery").update(is_active=False)
    assert client.get(f"/p/{three_products[2].pk}/").status_code == 404
    assert "Bread &amp; Bakery" not in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("popular", "Fresh Milk"),
        ("cheap", "Chocolate"),
        ("dear", "Fresh Milk"),
        ("name", "Chocolate"),
        ("x", "Fresh Milk"),
    ],
)
def test_shelves_can_be_sorted(client: Client, three_products: list[Product], sort: str, first: str) -> None:
    page = client.get("/d/dairy-eggs/", {"sort": sort}).context["page"]
    assert page[0].name.startswith(first)


def test_shelves_have_pages_that_keep_the_sorting(client: Client, dairy: Category) -> None:
    Product.objects.bulk_create(Product(name=f"Milk {n:02}", category=dairy, price_cents=n) for n in range(30))
    response = client.get("/c/dairy-eggs-milk/?sort=name")
    assert "?sort=name&amp;page=2" in response.content.decode()
    second = client.get("/c/dairy-eggs-milk/?sort=name&page=2")
    assert second.context["page"][0].name == "Milk 24"


def test_names_from_outside_are_escaped(client: Client, milk: Product) -> None:
    Product.objects.update(name="<img src=x onerror=alert(1)>")
    for path in ("/d/dairy-eggs/", f"/p/{milk.pk}/"):
        assert "<img src=x" not in client.get(path).content.decode()


def test_a_full_shelf_needs_no_more_queries_than_one_product(client: Client, milk: Product) -> None:
    def queries() -> int:
        """The fewest of three times: now and then a process reads again what it remembers for seconds."""
        found = []
        for _ in range(3):
            with CaptureQueriesContext(connection) as captured:
                client.get("/d/dairy-eggs/")
            found.append(len(captured))
        return min(found)

    with_one = queries()
    Product.objects.bulk_create(Product(name=f"Milk {n}", category=milk.category, price_cents=n) for n in range(23))
    assert queries() <= with_one


def test_a_demo_household_is_one_click_away(client: Client, household: Household) -> None:
    assert "Household 7" in client.get("/login/").content.decode()
    response = client.post("/login/", {"username": "household-7", "password": "demo"}, follow=True)
    assert "Household 7" in response.content.decode()
    client.post("/logout/")
    assert "Log in" in client.get("/").content.decode()


def test_a_shop_without_demo_accounts_offers_none(client: Client, db: None) -> None:
    assert "demo household" not in client.get("/login/").content.decode()


def test_a_wrong_password_is_told(client: Client, household: Household) -> None:
    page = client.post("/login/", {"username": "household-7", "password": "wrong"}).content.decode()
    assert 'role="alert"' in page


def test_the_shop_speaks_chinese(client: Client, milk: Product) -> None:
    client.post("/language/", {"language": "zh-hans", "next": "/"})
    page = client.get("/d/dairy-eggs/").content.decode()
    assert '<html lang="zh-hans">' in page
    assert "奶、奶酪与蛋" in page
    assert "最常购买" in page
    assert "$2.69" in page


def test_admin_names_the_shop_and_its_fields_in_chinese(admin_client: Client, milk: Product) -> None:
    admin_client.cookies["django_language"] = "zh-hans"
    assert "商店" in admin_client.get("/admin/").content.decode()
    assert "上架" in admin_client.get(f"/admin/shop/product/{milk.pk}/change/").content.decode()
    assert "上架" not in admin_client.get("/admin/recommender/rule/add/").content.decode()  # there it is "in force"


def test_a_page_without_an_icon_of_its_own_gets_the_basket(client: Client, db: None) -> None:
    assert client.get("/favicon.ico")["Content-Type"] == "image/svg+xml"


def test_large_numbers_are_grouped() -> None:
    assert grouped(27872) == "27,872"


def test_a_missing_page_looks_like_the_shop(client: Client, db: None) -> None:
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "This shelf is empty" in response.content.decode()


def test_a_page_that_is_not_allowed_looks_like_the_shop(client: Client, household: Household) -> None:
    household.user.is_staff = True
    household.user.save()
    client.force_login(household.user)
    response = client.get("/admin/shop/product/")
    assert response.status_code == 403
    assert "This door is locked" in response.content.decode() and "Corner Market" in response.content.decode()


def test_an_error_page_needs_nothing(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr("shop.views.catalogue.Paginator", None)
    Department.objects.create(name="Empty", slug="empty")
    with override_settings(DEBUG=False):
        response = client.get("/d/empty/")
        client.cookies["django_language"] = "zh-hans"
        chinese = client.get("/d/empty/").content.decode()
    assert response.status_code == 500
    assert "Something broke on our side" in response.content.decode()
    assert '<html lang="zh-hans">' in chinese and "我们这边出了点问题" in chinese


def test_pages_for_what_went_wrong_look_like_the_shop_and_speak_its_language(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["django_language"] = "zh-hans"
    refused = client.post("/login/")
    assert refused.status_code == 403 and '<html lang="zh-hans">' in refused.content.decode()
    assert "shop.css" in client.get("/recommender/not-me/x:y:z/").content.decode()
