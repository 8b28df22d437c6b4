"""Commit, spill or 503, in one process; tests/capture/test_faults.py does it to a whole shop."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from recommender.api_keys import create_key
from recommender.capture import keep, ledger, sender, store
from recommender.capture.batch import Batch, Outcome, Sender
from recommender.capture.group_commit import GroupCommit
from recommender.capture.joins import join_visitors
from recommender.capture.outage import _state, database_is_away, in_time
from recommender.capture.record import deliver, record_events
from recommender.capture.rows import check_rows
from recommender.capture.visitor import write_cookie
from recommender.conf import conf
from recommender.exceptions import NotKept
from recommender.models import ApiKey, Event, Impression, QuarantinedEvent, Visitor
from recommender.privacy.erasure import erase
from recommender.serving.impressions import impression_token
from recommender.serving.placements import FOR_YOU
from recommender.serving.query import PERSONAL, Entry
from recommender.signals import item_viewed, order_placed
from shop.models import Product
from tests.capture.test_spill import batch

pytestmark = pytest.mark.django_db(transaction=True)
SHOP = Event.Source.SHOP
URL = "/recommender/events/"
CUT = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def spill(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)
    yield tmp_path
    deadline = time.monotonic() + 10
    while database_is_away() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`with outage(): …`: every statement of a write fails, as of a server that went away."""

    def fail(*args: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    def begin() -> Any:
        context = monkeypatch.context()
        patch = context.__enter__()
        patch.setattr(store, "write", fail)
        return lambda: context.__exit__(None, None, None)

    yield begin


def row(product: Product) -> dict[str, Any]:
    return {"item": product.pk, "kind": "view"}


def until_stored(count: int) -> None:
    deadline = time.monotonic() + 10
    while Event.objects.count() < count:
        assert time.monotonic() < deadline, "nothing was drained"
        time.sleep(0.05)


def test_events_of_an_outage_are_stored_by_themselves_once(spill: Path, outage: Any, product: Product) -> None:
    visitor = Visitor.objects.create()
    end = outage()
    first = record_events(visitor, [row(product)] * 2, source=SHOP)
    second = record_events(visitor, [row(product)], source=SHOP)
    end()
    assert (first.spilled, second.spilled, first.stored) == (2, 1, 0)
    until_stored(3)
    assert [(line.received, line.stored, line.difference) for line in ledger.lines()] == [(3, 3, 0)]
    while database_is_away():
        time.sleep(0.05)
    assert record_events(visitor, [row(product)], source=SHOP).stored == 1


def test_a_busy_shop_goes_straight_to_the_database_again(spill: Path, outage: Any, product: Product) -> None:
    visitor, is_over = Visitor.objects.create(), threading.Event()

    def pour() -> int:
        try:
            kept = 0
            while not is_over.wait(0.002):
                kept += record_events(visitor, [row(product)], source=SHOP).received
            return kept
        finally:
            connection.close()

    end = outage()
    with ThreadPoolExecutor(2) as senders:
        sent = [senders.submit(pour) for _ in range(2)]
        time.sleep(0.2)
        assert database_is_away()
        end()
        deadline = time.monotonic() + 10
        while database_is_away() and time.monotonic() < deadline:
            time.sleep(0.01)
        is_straight = not database_is_away()
        is_over.set()
    assert is_straight
    kept = sum(each.result() for each in sent)
    until_stored(kept)
    assert Event.objects.count() == kept


def test_what_is_committed_is_not_spilled_with_the_slots_that_were_seen(
    spill: Path, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor.objects.create()
    token = impression_token(visitor, FOR_YOU, PERSONAL, None, [Entry(product, 1.0, "", 1)])
    checked, seen = check_rows([row(product), {"item": product.pk}]), [{"token": token, "slots": [1]}]
    with monkeypatch.context() as patch:
        patch.setattr(sender, "store_impressions", lambda *args: connection.cursor().execute(CUT))
        found = deliver(visitor, checked, source=SHOP, doubt=0, seen=seen)
    assert (found.stored, found.spilled, len(found.quarantined)) == (1, 0, 1)
    deadline = time.monotonic() + 10
    while not Impression.objects.exists():
        assert time.monotonic() < deadline, "nothing was drained"
        time.sleep(0.05)
    assert QuarantinedEvent.objects.count() == 1
    assert [(line.received, line.stored, line.quarantined) for line in ledger.lines()] == [(2, 1, 1)]


def test_without_a_folder_the_sender_comes_again(outage: Any, product: Product, client: Client) -> None:
    end = outage()
    response = client.post("/recommender/events/", {"events": [row(product)]}, content_type="application/json")
    with pytest.raises(NotKept):
        record_events(Visitor.objects.create(), [row(product)], source=SHOP)
    end()
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert not Event.objects.exists()


def test_a_new_browser_of_an_outage_keeps_its_key(spill: Path, outage: Any, product: Product, client: Client) -> None:
    _state.is_away = True  # and nobody drains before the first batch
    response = client.post("/recommender/events/", {"events": [row(product)]}, content_type="application/json")
    assert (response.status_code, response.json()["spilled"]) == (202, 1)
    key = UUID(response.cookies[conf.VISITOR_COOKIE].value.split(":")[0])
    until_stored(1)
    assert Event.objects.get().visitor.key == key


def test_an_account_of_an_outage_gets_its_events(spill: Path, product: Product, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = User.objects.create(username="household-1")
    _state.is_away = True  # and nobody drains before the first batch
    item_viewed.send(sender=Product, request=request, item=product)
    until_stored(1)
    assert Event.objects.get().visitor.user == request.user


def test_who_logged_in_meanwhile_gets_them_and_who_was_erased_does_not(
    spill: Path, outage: Any, product: Product
) -> None:
    browser, erased = Visitor.objects.create(), Visitor.objects.create()
    account = Visitor.objects.create(user=User.objects.create(username="household-1"))
    record_events(browser, [row(product)], source=SHOP)
    end = outage()
    for visitor in (browser, erased):
        record_events(visitor, [row(product)], source=SHOP)
    join_visitors(browser, account)
    erase(erased)
    end()
    until_stored(2)
    while database_is_away():
        time.sleep(0.05)
    assert set(Event.objects.values_list("visitor", flat=True)) == {account.pk}
    (line,) = ledger.lines()
    assert (line.received, line.stored, line.refused, line.difference) == (3, 2, 1, 0)


def test_an_order_that_the_shop_commits_keeps_its_events_and_one_that_it_takes_back_does_not(
    spill: Path, outage: Any, product: Product
) -> None:
    visitor = Visitor.objects.create()
    end = outage()
    with transaction.atomic():
        assert record_events(visitor, [row(product)], source=SHOP).spilled == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        record_events(visitor, [row(product)], source=SHOP)
        raise RuntimeError
    end()
    until_stored(1)
    while database_is_away():
        time.sleep(0.05)
    assert Event.objects.count() == 1


def test_a_shop_that_commits_by_hand_keeps_its_connection_and_its_whole_order(
    product: Product, settings: Any, rf: RequestFactory
) -> None:
    settings.RECOMMENDER_CAPTURE_BUDGET_MS = 100
    request = rf.get("/")
    request.user = User.objects.create(username="household-1")
    visitor = Visitor.objects.create(user=request.user)
    is_held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Visitor.objects.select_for_update().get(pk=visitor.pk)
                is_held.set()
                go_on.wait(0.5)  # longer than the budget
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        held = other.submit(hold)
        is_held.wait(10)
        transaction.set_autocommit(False)
        try:
            User.objects.create(username="line-1")
            order_placed.send(sender=None, request=request, order_id=1, lines=[(product, 1, 199)])
            User.objects.create(username="line-2")
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
            go_on.set()
        held.result()
    assert User.objects.filter(username__startswith="line-").count() == 2
    assert Event.objects.get().visitor == visitor


@contextmanager
def only_reading() -> Iterator[None]:
    """This thread's connection is to a server that only reads, as after a failover; whoever drains has another one."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
def test_an_order_is_kept_while_the_server_only_reads(
    spill: Path, product: Product, visitor: Visitor, around: Callable[[], AbstractContextManager[None]]
) -> None:
    with only_reading(), around():
        assert record_events(visitor, [row(product)], source=SHOP).spilled == 1
    until_stored(1)


def test_a_server_that_only_reads_answers_no_browser_or_app_by_500(
    spill: Path, product: Product, visitor: Visitor, client: Client
) -> None:
    _key, plaintext = create_key("app", [ApiKey.Scope.EVENTS])
    headers = {"authorization": f"Api-Key {plaintext}"}
    body = {"events": [row(product)]}
    with only_reading():
        app = client.post(f"{URL}?visitor={visitor.key}", body, content_type="application/json", headers=headers)
        browser = client.post(URL, body, content_type="application/json")
    assert (app.status_code, browser.status_code) == (503, 202)
    until_stored(1)


def test_a_frozen_statement_is_cut(product: Product, settings: Any) -> None:
    settings.RECOMMENDER_CAPTURE_BUDGET_MS = 500
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    began = time.monotonic()
    with pytest.raises(OperationalError), in_time(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    assert time.monotonic() - began < 5
    assert Product.objects.count() == 3  # the shop's next query has a connection again
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])  # it sleeps on


def test_a_crawler_is_one_visitor_in_an_outage_too(spill: Path, product: Product, rf: RequestFactory) -> None:
    _state.is_away = True  # and nobody drains before the first batch
    for _page in range(2):
        request = rf.get("/", headers={"user-agent": "Googlebot/2.1"})
        request.user = AnonymousUser()
        item_viewed.send(sender=Product, request=request, item=product)
        response = Client().get("/health/")
        write_cookie(request, response)
        assert conf.VISITOR_COOKIE not in response.cookies
    until_stored(2)
    assert Visitor.objects.count() == 1


# --- one commit for many


def test_who_comes_during_a_commit_goes_with_the_next_one() -> None:
    groups: list[int] = []
    is_first, go_on = threading.Event(), threading.Event()

    def write(batches: Any) -> list[Outcome]:
        groups.append(len(batches))
        is_first.set()
        go_on.wait(10)
        return [Outcome(each.received, stored=each.received) for each in batches]

    group = GroupCommit(write)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(group.write, batch())
        is_first.wait(10)
        others = [threads.submit(group.write, batch(count)) for count in range(1, 9)]
        while len(group._waiting) < 8:
            time.sleep(0.01)
        go_on.set()
        assert first.result().stored == 1
        assert [other.result().stored for other in others] == list(range(1, 9))
    assert groups == [1, 8]


def test_each_item_is_written_once_and_one_group_at_a_time() -> None:
    written: list[int] = []
    is_writing = threading.Lock()

    def write(items: Sequence[int]) -> list[int]:
        assert is_writing.acquire(blocking=False)
        time.sleep(0.0005)
        written.extend(items)
        is_writing.release()
        return [-item for item in items]

    group = GroupCommit(write)
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(group.write, range(2_000), timeout=60))
    assert results == [-item for item in range(2_000)]
    assert sorted(written) == list(range(2_000))


def test_an_error_of_one_is_told_to_that_one_only() -> None:
    def write(batches: Any) -> list[Any]:
        return [Outcome(1) if each.received == 1 else NotKept("no") for each in batches]

    group = GroupCommit(write)
    assert group.write(batch(1)).received == 1
    with pytest.raises(NotKept):
        group.write(batch(2))


def test_rows_that_the_database_refuses_spoil_no_others(product: Product) -> None:
    good, bad = Visitor.objects.create(), Visitor.objects.create()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE recommender_event ADD CONSTRAINT few CHECK (quantity < 5)")
    try:
        drafts = [check_rows([{**row(product), "quantity": quantity}]) for quantity in (1, 7)]
        batches = [
            Batch(Sender(visitor.key), SHOP.value, 1, checked.clock.now, None, checked.drafts, [], impressions={})
            for visitor, checked in zip((good, bad), drafts, strict=True)
        ]
        found = keep._write_in_time(batches)
        assert [len(each.quarantined) for each in found if isinstance(each, Outcome)] == [0, 1]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE recommender_event DROP CONSTRAINT few")
    assert Event.objects.get().visitor == good
    (line,) = ledger.lines()
    assert (line.stored, line.quarantined, line.difference) == (1, 1, 0)
