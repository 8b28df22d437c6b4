"""Login on a shared device: the joined history is in the list at once, and can be given back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from recommender.capture.accounts import visitor_named
from recommender.capture.joins import join_token, join_visitors, undo_join
from recommender.models import Event, Feedback, Impression, QuarantinedEvent, Visitor, VisitorEmbedding, VisitorJoin
from recommender.privacy.retention import expire
from shop.models import Product
from tests.privacy.conftest import PostView
from tests.worlds import make_event, publish_tiny_version

JOINED = {Event, Feedback, Impression, QuarantinedEvent}
DROPPED = {VisitorEmbedding, VisitorJoin}


def log_in(browser: Client, user: User) -> None:
    assert browser.post("/login/", {"username": user.username, "password": "demo"}).status_code == 302


def another_tab(browser: Client) -> Client:
    """With the same cookies, as long as neither is given new ones."""
    tab = Client(headers={"user-agent": "Mozilla/5.0"})
    tab.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    return tab


@pytest.fixture
def token(browser: Client, user: User, products: list[Product], post_view: PostView) -> str:
    """Three views of a browser, then a login; the account had bought something before."""
    make_event(Visitor.objects.create(user=user), products[7])
    for product in products[:3]:
        post_view(browser, product)
    log_in(browser, user)
    return join_token(VisitorJoin.objects.get())


def test_every_table_that_names_a_visitor_is_joined_or_dropped() -> None:
    """A new one must say what becomes of its rows at login."""
    fields = [field for field in Visitor._meta.get_fields(include_hidden=True) if not field.concrete]
    assert {field.related_model for field in fields} == JOINED | DROPPED


def test_the_list_after_login_is_of_the_joined_history(
    browser: Client, user: User, products: list[Product], post_view: PostView
) -> None:
    publish_tiny_version(products)
    post_view(browser, products[0])
    log_in(browser, user)
    found = browser.get("/recommender/recommendations/").json()
    assert found["rung"] == "personal"
    viewed = browser.get("/recommender/recommendations/?placement=recently_viewed").json()
    assert [item["id"] for item in viewed["items"]] == [products[0].pk]


def test_this_was_not_me_takes_only_what_the_login_brought(
    browser: Client, user: User, products: list[Product], token: str, post_view: PostView
) -> None:
    key = VisitorJoin.objects.get().key
    post_view(browser, products[5])
    assert undo_join(token) == 3
    assert set(Event.objects.filter(visitor__user=user).values_list("item_id", flat=True)) == {
        products[5].pk,
        products[7].pk,
    }
    assert Visitor.objects.get(user=None).key == key
    assert undo_join(token) == 0
    assert not VisitorJoin.objects.exists()


def test_it_works_where_an_app_took_the_key_up_again(token: str, products: list[Product]) -> None:
    key = VisitorJoin.objects.get().key
    again = visitor_named({"visitor": str(key)}, create=True)
    make_event(again, products[5])
    assert undo_join(token) == 3
    assert Event.objects.filter(visitor=again).count() == 4


def test_the_link_asks_first_and_works_once(browser: Client, user: User, token: str) -> None:
    page = browser.get("/my-data/").content.decode()
    assert f"/recommender/not-me/{token.split(':')[0]}" in page
    url = f"/recommender/not-me/{token}/"
    assert b"<form" in browser.get(url).content
    assert Event.objects.filter(visitor__user=user).count() == 4
    assert browser.post(url).status_code == 200
    assert Event.objects.filter(visitor__user=user).count() == 1
    assert "/recommender/not-me/" not in browser.get("/my-data/").content.decode()
    assert b"nothing left" in browser.post(url).content


@pytest.mark.parametrize("forged", ["x", "x:y:z", "\x00", "é"])
def test_a_forged_link_undoes_nothing(browser: Client, token: str, forged: str) -> None:
    assert undo_join(forged) == 0
    assert browser.post("/recommender/not-me/x:y:z/").status_code == 200
    assert VisitorJoin.objects.count() == 1


def test_after_its_time_it_cannot_be_undone(token: str) -> None:
    with override_settings(RECOMMENDER_UNDO_JOIN_DAYS=0.000_001):
        VisitorJoin.objects.update(joined_at=timezone.now() - timedelta(days=1))
        expire()
    assert undo_join(token) == 0
    assert Event.objects.filter(visitor__user=None).count() == 0


def test_vectors_of_another_history_are_not_kept(user: User, products: list[Product]) -> None:
    browser, account = Visitor.objects.create(), Visitor.objects.create(user=user)
    make_event(browser, products[0])
    publish_tiny_version(products, [browser, account])
    assert VisitorEmbedding.objects.count() == 2
    join_visitors(browser, account)
    assert not VisitorEmbedding.objects.exists()


def test_a_row_in_quarantine_goes_with_its_visitor(user: User, product: Product) -> None:
    browser, account = Visitor.objects.create(), Visitor.objects.create(user=user)
    QuarantinedEvent.objects.create(source=Event.Source.BEACON, visitor=browser, code="x", payload="{}")
    join_visitors(browser, account)
    assert QuarantinedEvent.objects.get().visitor == account


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_undo_at_once_undo_once(user: User, products: list[Product]) -> None:
    browser, account = Visitor.objects.create(), Visitor.objects.create(user=user)
    make_event(browser, products[0])
    join_visitors(browser, account)
    token = join_token(VisitorJoin.objects.get())
    start = Barrier(4)

    def tab(_number: int) -> int:
        try:
            start.wait()
            return undo_join(token)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as tabs:
        assert sorted(tabs.map(tab, range(4))) == [0, 0, 0, 1]
    assert Visitor.objects.filter(user=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_logins_at_once_give_the_history_to_one_account(products: list[Product], post_view: PostView) -> None:
    """Two tabs of one browser log in to two accounts in the same moment."""
    model = get_user_model()
    users = [model.objects.create_user(f"household-{number}", password="demo") for number in range(2)]
    browser = Client(headers={"user-agent": "Mozilla/5.0"})
    post_view(browser, products[0])
    start = Barrier(2)

    def tab(user: User) -> int:
        own = another_tab(browser)
        try:
            start.wait()
            return own.post("/login/", {"username": user.username, "password": "demo"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as tabs:
        assert list(tabs.map(tab, users)) == [302, 302]
    assert Event.objects.filter(visitor__user__in=users).count() == 1
    assert VisitorJoin.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_event_of_other_tabs_is_lost_while_one_logs_in(
    user: User, products: list[Product], post_view: PostView
) -> None:
    """Three tabs go on sending while a fourth logs in, in the middle of it."""
    first = Client(headers={"user-agent": "Mozilla/5.0"})
    post_view(first, products[0])
    start = Barrier(4)

    def tab(number: int) -> int:
        own = another_tab(first)
        try:
            start.wait()
            if number == 3:
                log_in(own, user)
                return 0
            return sum(post_view(own, product).json()["stored"] for product in products)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as tabs:
        assert list(tabs.map(tab, range(4))) == [8, 8, 8, 0]
    assert Event.objects.count() == 1 + 3 * 8
    assert Event.objects.filter(visitor__user=user).exists()
