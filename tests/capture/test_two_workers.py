"""A browser that is new while the database is away, and comes by more than one process of the shop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from recommender.capture import ledger, outage
from recommender.capture.drained import write_late
from recommender.capture.joins import join_token, undo_join
from recommender.capture.spill import Spill
from recommender.models import Event, Visitor, VisitorJoin
from recommender.privacy.erasure import erase
from shop.models import Product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)
    monkeypatch.setattr(outage, "_ensure_drainer", lambda: None)
    outage._state.__init__()  # type: ignore[misc]
    yield tmp_path
    outage._state.__init__()  # type: ignore[misc]


@pytest.fixture
def workers(folder: Path) -> list[Spill]:
    return [Spill(folder), Spill(folder)]


@pytest.fixture
def browser() -> Client:
    return Client(headers={"user-agent": "Mozilla/5.0"})


def send(browser: Client, product: Product, by: Spill, is_away: bool = True) -> dict[str, Any]:
    outage._state.spill, outage._state.folder, outage._state.is_away = by, str(by._folder), is_away
    rows = {"events": [{"item": product.pk, "kind": "view"}]}
    response = browser.post("/recommender/events/", rows, content_type="application/json")
    assert response.status_code == 202
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_files_of_two_workers_are_drained_in_any_order(
    workers: list[Spill], browser: Client, product: Product, order: tuple[int, int]
) -> None:
    for worker in workers:
        assert send(browser, product, worker)["spilled"] == 1
    for place in order:
        workers[place].drain(write_late)
    assert (Event.objects.count(), Visitor.objects.count()) == (2, 1)
    (line,) = ledger.lines()
    assert (line.received, line.stored, line.difference) == (2, 2, 0)


def test_a_worker_for_which_the_database_is_there_makes_no_second_visitor(
    workers: list[Spill], browser: Client, product: Product
) -> None:
    send(browser, product, workers[0])
    key = browser.cookies["recommender_visitor"].value
    assert send(browser, product, workers[1], is_away=False)["stored"] == 1
    workers[0].drain(write_late)
    assert (Event.objects.count(), Visitor.objects.count()) == (2, 1)
    assert browser.cookies["recommender_visitor"].value == key


def test_who_was_erased_before_another_worker_drains_stays_erased(
    workers: list[Spill], browser: Client, product: Product
) -> None:
    for worker in workers:
        send(browser, product, worker)
    workers[0].drain(write_late)
    erase(Visitor.objects.get())
    workers[1].drain(write_late)
    assert not Event.objects.exists()


@pytest.fixture
def joined(workers: list[Spill], browser: Client, product: Product) -> User:
    """Its browser did something in an outage, then logged in; then the events were drained."""
    user = User.objects.create_user("household-1", password="demo")
    for worker in workers:
        send(browser, product, worker)
    outage._state.is_away = False
    browser.post("/login/", {"username": "household-1", "password": "demo"})
    for worker in workers:
        worker.drain(write_late)
    return user


def test_a_login_before_the_file_is_drained_gets_its_events(joined: User) -> None:
    assert [event.visitor.user for event in Event.objects.all()] == [joined, joined]


def test_a_login_before_the_file_is_drained_can_be_undone(joined: User) -> None:
    assert undo_join(join_token(VisitorJoin.objects.get())) == 2
    assert {event.visitor.user for event in Event.objects.all()} == {None}


ODD = {
    "a number of 30 digits": '"impressions": [{"token": "x", "slots": [1, 123456789012345678901234567890]}, 9e99]',
    "a number as a row": '"impressions": [123456789012345678901234567890]',
    "a lone surrogate": r'"impressions": [{"token": "\ud800", "slots": [1]}]',
    "a key of its own": r'"impressions": [{"token": "x", "slots": [1], "\ud800": 18446744073709551616}]',
}


@pytest.mark.parametrize("name", ODD)
def test_odd_impressions_cost_no_event_of_an_outage(
    workers: list[Spill], browser: Client, product: Product, name: str
) -> None:
    send(browser, product, workers[0])
    body = f'{{"events": [{{"item": {product.pk}, "kind": "view"}}], {ODD[name]}}}'
    assert browser.post("/recommender/events/", body, content_type="application/json").status_code == 202
    workers[0].drain(write_late)
    assert Event.objects.count() == 2


def test_a_token_that_is_no_text_of_ours_costs_no_event_of_an_outage(
    workers: list[Spill], browser: Client, product: Product
) -> None:
    send(browser, product, workers[0])
    body = f'{{"events": [{{"item": {product.pk}, "kind": "click", "token": "\\ud800"}}]}}'
    assert browser.post("/recommender/events/", body, content_type="application/json").status_code == 202
    workers[0].drain(write_late)
    assert Event.objects.get(kind=Event.Kind.CLICK).doubt == Event.Doubt.NO_TOKEN
