"""Erased is erased: in every table, in the next training, for whatever comes late. A canary is looked for in a dump."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.signals import pre_delete
from django.test import Client, override_settings
from django.test.utils import isolate_apps
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.api_keys import create_key
from recommender.capture.accounts import account_visitor, account_visitors
from recommender.capture.bulk import EventColumns, event_ids, load_events
from recommender.capture.export import export_events
from recommender.capture.outage import _state, drain
from recommender.capture.record import record_events
from recommender.conf import conf
from recommender.exceptions import VisitorNotFound
from recommender.models import Event, QuarantinedEvent, Tombstone, Visitor, VisitorEmbedding, VisitorJoin
from recommender.privacy.erasure import erase
from recommender.privacy.receivers import watch_accounts
from recommender.privacy.retention import expire
from recommender.tokens import sign_impressions
from shop.models import Product
from tests.capture.test_visitor import wait_until_one_waits
from tests.privacy.conftest import PostView
from tests.privacy.dump import dump_database
from tests.worlds import make_event, publish_tiny_version, write_tiny_version

ADDRESS = "203.0.113.77"
PROXY = "198.51.100.23"
AGENT = "Mozilla/5.0 Canary-8461f0"
CANARY = "canary-5c1de3a9"


@pytest.fixture
def known(browser: Client, user: User, products: list[Product], post_view: PostView) -> list[str]:
    """Somebody whom every table knows; the texts by which a dump would betray it."""
    headers = {"user-agent": AGENT, "x-forwarded-for": PROXY}
    post_view(browser, products[0], headers=headers, REMOTE_ADDR=ADDRESS)
    key = Visitor.objects.get().key
    browser.post("/login/", {"username": user.username, "password": "demo"}, headers=headers, REMOTE_ADDR=ADDRESS)
    browser.post("/basket/add/", {"product": products[1].pk}, headers=headers, REMOTE_ADDR=ADDRESS)
    visitor = Visitor.objects.get(user=user)
    QuarantinedEvent.objects.create(source=Event.Source.BEACON, visitor=visitor, code="x", payload=CANARY)
    publish_tiny_version(products, [visitor])
    assert VisitorEmbedding.objects.exists() and VisitorJoin.objects.exists()
    return [str(key), str(visitor.key), CANARY, *map(str, Event.objects.values_list("pk", flat=True))]


def files_under(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_a_canary_is_in_the_dump_before_and_nowhere_after(
    browser: Client, known: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    before = dump_database()
    assert [text for text in known if text not in before] == []
    with override_settings(MEDIA_ROOT=tmp_path):
        browser.post("/my-data/erase/")
        expire()
    after = dump_database()
    assert [text for text in known if text in after + files_under(tmp_path) + caplog.text] == []


def test_no_address_is_stored_before_or_after(browser: Client, known: list[str]) -> None:
    dump = dump_database()
    assert [text for text in (ADDRESS, PROXY, AGENT) if text in dump] == []


def test_the_next_training_does_not_know_the_erased(user: User, products: list[Product]) -> None:
    visitor, other = account_visitor(user.pk), Visitor.objects.create()
    for who in (visitor, other):
        make_event(who, products[0])
    assert erase(visitor) == 1
    assert set(export_events().visitor.tolist()) == {other.pk}
    assert erase(visitor) == 0


def test_a_training_that_was_under_way_writes_no_vector_of_the_erased(user: User, products: list[Product]) -> None:
    visitor = account_visitor(user.pk)
    erase(visitor)
    write_tiny_version(products, [visitor])
    assert not VisitorEmbedding.objects.exists()


# --- what comes late


def test_a_late_beacon_with_the_old_cookie_brings_nothing_back(
    browser: Client, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    visitor, before = Visitor.objects.get(), timezone.now()
    erase(visitor)  # asked for by letter: the browser still has its cookie
    assert post_view(browser, product, at=before).json()["stored"] == 0
    assert post_view(browser, product).json()["stored"] == 1
    assert Visitor.objects.get().key != visitor.key


def test_a_late_event_of_an_account_brings_nothing_back(
    browser: Client, user: User, product: Product, post_view: PostView
) -> None:
    browser.force_login(user)
    post_view(browser, product)
    before = timezone.now()
    erase(Visitor.objects.get())
    assert post_view(browser, product, at=before).json()["stored"] == 0
    assert post_view(browser, product).json()["stored"] == 1


def test_past_orders_that_are_loaded_again_stay_erased(user: User, product: Product) -> None:
    at = [int(moment.timestamp()) for moment in (timezone.now() - timedelta(days=2), timezone.now())]

    def load() -> tuple[int, int]:
        visitors = account_visitors([user.pk])
        columns: dict[str, Any] = {"visitor": [visitors[user.pk]] * 2, "item": [product.pk] * 2, "kind": [4, 4]}
        result = load_events(EventColumns(id=event_ids(at, ["a", "b"]), at=at, **columns))
        return result.stored, result.refused

    assert load() == (2, 0)
    erase(Visitor.objects.get())
    assert load() == (0, 2)


def test_a_key_of_another_app_is_dead_for_good(db: None, product: Product) -> None:
    headers = {"authorization": f"Api-Key {create_key('app', ['events', 'erase', 'export'])[1]}"}
    key, client = "6f9619ff-8b86-4011-b42d-00cf4fc964ff", Client(headers=headers)
    body = {"events": [{"item": product.pk, "kind": "purchase"}]}
    url = f"/recommender/events/?visitor={key}"
    assert client.post(url, body, content_type="application/json").status_code == 202
    assert client.delete(f"/recommender/visitor/?visitor={key}").status_code == 204
    response = client.post(url, body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (410, "erased")
    assert client.get(f"/recommender/visitor/?visitor={key}").status_code == 404
    assert not Event.objects.exists()


def test_a_new_secret_key_still_knows_who_was_erased(user: User) -> None:
    erase(account_visitor(user.pk))
    from django.conf import settings

    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY="another" * 10, SECRET_KEY_FALLBACKS=[old]):
        assert account_visitor(user.pk).forgotten_until is not None


def test_a_tombstone_holds_a_keyed_hash_only(user: User) -> None:
    visitor = account_visitor(user.pk)
    erase(visitor)
    assert all(re.fullmatch("[0-9a-f]{64}", stone.digest) for stone in Tombstone.objects.all())
    with override_settings(SECRET_KEY="another" * 10):
        assert account_visitor(user.pk).forgotten_until is None


@pytest.mark.parametrize("is_account", [False, True])
def test_an_open_page_brings_nothing_back(
    browser: Client, user: User, product: Product, post_view: PostView, is_account: bool
) -> None:
    if is_account:
        browser.force_login(user)
    before = timezone.now()
    post_view(browser, product, at=before)
    browser.delete("/recommender/visitor/")
    browser.post("/logout/")
    late = post_view(browser, product, at=before).json()
    assert (late["stored"], [row["code"] for row in late["refused"]]) == (0, ["erased"])
    assert not Visitor.objects.filter(user=None).exists()
    assert post_view(browser, product).json()["stored"] == 1


def test_what_an_open_page_brings_is_not_the_account_s_that_logs_in_next(
    browser: Client, user: User, product: Product, post_view: PostView
) -> None:
    before = timezone.now()
    post_view(browser, product, at=before)
    browser.delete("/recommender/visitor/")
    browser.post("/login/", {"username": user.username, "password": "demo"})
    assert post_view(browser, product, at=before).json()["stored"] == 0
    assert not Event.objects.exists()


def test_what_a_browser_keeps_of_its_erasure_is_the_moment(
    browser: Client, product: Product, post_view: PostView
) -> None:
    post_view(browser, product)
    before = timezone.now().timestamp()
    response = browser.delete("/recommender/visitor/")
    cookie = response.cookies[f"{conf.VISITOR_COOKIE}_erased"]
    assert before <= float(cookie.value.split(":")[0]) <= timezone.now().timestamp()
    assert cookie["max-age"] == conf.MAX_EVENT_AGE_DAYS * 86_400
    signalled = browser.delete("/recommender/visitor/", headers={"Sec-GPC": "1"})
    assert cookie.key not in signalled.cookies  # nothing is set without consent
    browser.cookies[cookie.key] = f"{before + 3600}:1w:forged"
    assert post_view(browser, product).json()["stored"] == 1


@pytest.mark.parametrize("is_json", [True, False])
def test_a_row_of_nobody_in_quarantine_names_nobody(
    browser: Client, product: Product, post_view: PostView, is_json: bool
) -> None:
    """A POST without a valid row has no sender, so no erasure finds it: its token would still hold somebody's key."""
    post_view(browser, product)
    claims = {"v": str(Visitor.objects.get().key), "l": str(uuid7()), "p": "for_you", "m": None, "r": "popular"}
    token = sign_impressions({**claims, "i": [str(product.pk)]})
    row = f'{{"item": {product.pk}, "kind": "like", "token":"{token}", "x": {1 if is_json else "NaN"}}}'
    post = browser.post("/recommender/events/", f'{{"events": [{row}]}}', content_type="application/json")
    assert [each["code"] for each in post.json()["quarantined"]] == ["unknown_kind"]
    payload = QuarantinedEvent.objects.get().payload
    assert '"kind": "like"' in payload and token not in payload


def test_a_row_in_quarantine_of_a_visitor_that_an_app_names_goes_with_it(product: Product) -> None:
    visitor = Visitor.objects.create()
    record_events(visitor, [{"item": product.pk, "kind": "like"}], source=Event.Source.SHOP)
    assert QuarantinedEvent.objects.get().visitor == visitor
    erase(visitor)
    assert not QuarantinedEvent.objects.exists()


@pytest.fixture
def outage(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """`outage(True)`: events go to disk, and stay there until the test drains them."""
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)
    monkeypatch.setattr("recommender.capture.outage._ensure_drainer", lambda: None)
    return lambda is_away: monkeypatch.setattr(_state, "is_away", is_away)


def ask_for_erasure(browser: Client) -> None:
    browser.delete("/recommender/visitor/")


def withdraw(browser: Client) -> None:
    browser.post("/recommender/consent/", {"level": "none"}, content_type="application/json")


def switch_signal_on(browser: Client) -> None:
    browser.get("/", headers={"Sec-GPC": "1"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("forget", "is_account"),
    [(ask_for_erasure, False), (ask_for_erasure, True), (withdraw, False), (switch_signal_on, False)],
)
def test_what_waits_on_disk_brings_nobody_back(
    browser: Client, user: User, product: Product, post_view: PostView, outage: Any, forget: Any, is_account: bool
) -> None:
    """Of somebody new: neither the browser nor the account has a row yet."""
    if is_account:
        browser.force_login(user)
    outage(True)
    assert post_view(browser, product).json()["spilled"] == 1
    outage(False)
    forget(browser)
    assert drain() == 1
    assert not Event.objects.exists()


# --- who erases


def test_a_deleted_account_leaves_nothing_not_even_its_hash(user: User, product: Product) -> None:
    make_event(account_visitor(user.pk), product)
    user.delete()
    assert not Visitor.objects.exists() and not Event.objects.exists()
    assert Tombstone.objects.filter(expires_at=None).count() == 0
    assert Tombstone.objects.count() == 1  # of the visitor's key: no cookie may bring it back


def test_a_deletion_by_queryset_is_heard_too(user: User, product: Product) -> None:
    make_event(account_visitor(user.pk), product)
    get_user_model().objects.filter(pk=user.pk).delete()
    assert not Event.objects.exists() and Tombstone.objects.count() == 1


@isolate_apps("shop")
def test_a_deletion_by_a_proxy_of_the_user_model_is_heard_too(
    user: User, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Customer(User):
        class Meta:
            app_label, proxy = "shop", True

    make_event(account_visitor(user.pk), product)
    monkeypatch.setattr(apps, "get_models", lambda: [User, Customer, Product])
    watch_accounts()
    try:
        Customer.objects.get(pk=user.pk).delete()
        assert Tombstone.objects.count() == 1
        assert not pre_delete.has_listeners(Product)  # Django would fetch all rows that a shop deletes
    finally:
        pre_delete.disconnect(sender=Customer, dispatch_uid="recommender.user_deleted")


def test_an_account_that_refused_stays_refusing(browser: Client, user: User, product: Product) -> None:
    browser.force_login(user)
    browser.post("/recommender/consent/", {"level": "none"})
    browser.post("/my-data/erase/")
    assert Visitor.objects.get(user=user).consent == Visitor.Consent.NONE


def test_another_site_cannot_erase(browser: Client, product: Product, post_view: PostView) -> None:
    post_view(browser, product)
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert browser.delete("/recommender/visitor/", headers=headers).status_code == 403
    assert browser.delete("/recommender/visitor/?user=1").status_code == 403
    assert Event.objects.count() == 1
    assert browser.delete("/recommender/visitor/").status_code == 204
    assert not Visitor.objects.exists()
    assert browser.cookies[conf.VISITOR_COOKIE].value == ""


def test_the_command_erases_and_says_how_much(user: User, product: Product, capsys: Any) -> None:
    make_event(account_visitor(user.pk), product)
    call_command("recommender_erase", "--user", str(user.pk))
    assert "events: 1" in capsys.readouterr().out
    assert not Event.objects.exists()
    with pytest.raises(CommandError, match="no visitor"):
        call_command("recommender_erase", "--visitor", "6f9619ff-8b86-4011-b42d-00cf4fc964ff")


@pytest.mark.django_db(transaction=True)
def test_an_event_that_comes_during_an_erasure_waits_and_is_told(products: list[Product]) -> None:
    visitor = Visitor.objects.create()
    rows = [{"item": products[0].pk, "kind": "view"}]

    def store() -> int:
        try:
            return record_events(visitor, rows, source=Event.Source.BEACON).stored
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            erase(visitor)
            event = other.submit(store)
            wait_until_one_waits()
        with pytest.raises(VisitorNotFound):
            event.result(timeout=10)
    assert not Event.objects.exists()


def test_the_erasure_of_a_long_history_takes_less_than_a_second(user: User, products: list[Product]) -> None:
    visitor = account_visitor(user.pk)
    at = [int(timezone.now().timestamp()) - 60 * number for number in range(20_000)]
    columns: dict[str, Any] = {"visitor": [visitor.pk] * len(at), "item": [products[0].pk] * len(at)}
    load_events(EventColumns(id=event_ids(at, list(map(str, at))), at=at, kind=[1] * len(at), **columns))
    began = datetime.now()
    assert erase(visitor) == 20_000
    assert (datetime.now() - began).total_seconds() < 1
