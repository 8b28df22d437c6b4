"""What a visitor said of items stands on a page of its own, and each word is taken back there."""

import re

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client, RequestFactory

from recommender.feedback import own
from recommender.feedback.own import opinions_of
from recommender.models import Feedback, Visitor
from shop.models import Product
from tests.worlds import make_products

pytestmark = pytest.mark.django_db
PAGE = "/my-data/"
BACK = "/recommender/feedback/taken-back/"


@pytest.fixture
def products() -> list[Product]:
    return make_products(4)


@pytest.fixture
def ana(products: list[Product]) -> Visitor:
    visitor = Visitor.objects.create(user=User.objects.create_user("ana"))
    for item, value in zip(products, (Feedback.Value.LESS, Feedback.Value.MORE), strict=False):
        Feedback.objects.create(visitor=visitor, item_id=item.pk, value=value, placement="for_you")
    return visitor


@pytest.fixture
def browser(ana: Visitor) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ana.user)
    return client


def body(browser: Client) -> str:
    return browser.get(PAGE).content.decode()


def say(browser: Client, item: object, page: str) -> object:
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    return browser.post(BACK, {"item": item, "next": PAGE, "csrfmiddlewaretoken": token[1]}, follow=True)


def test_each_answer_is_listed_and_taken_back(browser: Client, ana: Visitor, products: list[Product]) -> None:
    page = body(browser)
    assert page.index("More like this") < page.index("Not for me")  # the newest first
    assert products[0].get_absolute_url() in page and products[2].get_absolute_url() not in page
    answer = say(browser, products[0].pk, page)
    assert answer.redirect_chain == [(PAGE, 303)]
    assert "Taken back:" in answer.content.decode()
    assert [each.item_id for each in opinions_of(ana)] == [products[1].pk]


def test_nobody_takes_back_what_another_said(browser: Client, ana: Visitor, products: list[Product]) -> None:
    page, stranger = body(browser), Client()
    assert stranger.post(BACK, {"item": products[0].pk}).status_code == 303
    assert browser.post(BACK, {"item": products[0].pk}).status_code == 403  # as from a page of another site
    assert "Taken back:" not in say(browser, products[3].pk, page).content.decode()
    assert Feedback.objects.count() == 2
    assert products[0].name not in stranger.get(PAGE).content.decode()


@pytest.mark.parametrize("item", ["", "x", "\0", "9" * 400])
def test_odd_items_change_nothing(browser: Client, ana: Visitor, item: str) -> None:
    say(browser, item, body(browser))
    assert Feedback.objects.count() == 2


def test_a_product_that_is_gone_can_be_taken_back_too(browser: Client, ana: Visitor, products: list[Product]) -> None:
    Product.objects.filter(pk=products[0].pk).delete()
    Feedback.objects.get_or_create(
        visitor=ana, item_id=products[0].pk, defaults={"value": Feedback.Value.LESS, "placement": "for_you"}
    )
    page = body(browser)
    assert "A product that is no longer there" in page
    say(browser, products[0].pk, page)
    assert [each.item_id for each in opinions_of(ana)] == [products[1].pk]


def test_the_list_has_an_end(ana: Visitor, products: list[Product], monkeypatch, django_assert_num_queries) -> None:
    monkeypatch.setattr(own, "LISTED", 1)
    with django_assert_num_queries(2):
        assert [each.item_id for each in opinions_of(ana)] == [products[1].pk]


def test_somebody_who_said_nothing_is_told_how(db: None) -> None:
    assert "Nothing so far" in body(Client())
    template = Template("{% load recommender_privacy %}{% recommender_opinions %}")
    assert "Nothing so far" in template.render(Context({"request": RequestFactory().get("/")}))
    assert "you are not remembered" in template.render(Context())
    assert "you are not remembered" in body(Client(headers={"sec-gpc": "1"}))  # there are no buttons


def test_a_catalogue_that_fails_costs_a_title_and_not_the_page(browser: Client, ana: Visitor, monkeypatch) -> None:
    def fails(catalog: object, item: object) -> str:
        raise AttributeError("no such title")

    monkeypatch.setattr("shop.recommendations.ProductCatalog.item_title", fails, raising=False)
    first, second = opinions_of(ana)
    assert (first.title, first.url, second.title) == (str(first.item_id), "", str(second.item_id))
    say(browser, first.item_id, body(browser))
    assert [each.item_id for each in opinions_of(ana)] == [second.item_id]


def test_a_slow_database_is_not_said_to_hold_nothing(browser: Client, monkeypatch) -> None:
    monkeypatch.setattr("recommender.templatetags.recommender_privacy.ask_in_time", lambda answer: None)
    page = body(browser)
    assert "What you said" in page and "Nothing so far" not in page
