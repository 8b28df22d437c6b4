"""Loads from the real package; a few households only."""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import Count, Max, Sum
from django.test import Client

from recommender.models import Event, Visitor
from shop import complete_journey, loading
from shop.loading import whole_weeks_until
from shop.models import DataLoad, Household, Order, OrderLine, Product

HOUSEHOLDS = 12


@pytest.fixture(autouse=True, scope="module")
def source_is_read_once() -> Iterator[None]:
    """Reading takes seconds and gives the same every time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(complete_journey, "read", functools.cache(complete_journey.read))
        yield


def load(*arguments: str) -> str:
    out = StringIO()
    call_command("shop_load", *arguments, stdout=out, verbosity=1)
    return out.getvalue()


@pytest.fixture
def loaded(db: None) -> None:
    load(f"--households={HOUSEHOLDS}")


@pytest.mark.parametrize(("days", "shift"), [(0, 0), (6, 0), (7, 7), (20, 14), (3000, 2996)])
def test_times_move_by_whole_weeks(days: int, shift: int) -> None:
    newest = datetime(2018, 1, 1, 4, tzinfo=UTC)
    moved = whole_weeks_until(newest, newest + timedelta(days=days))
    assert moved == timedelta(days=shift)
    assert timedelta(0) <= timedelta(days=days) - moved < timedelta(days=7)


def test_a_load_makes_a_shop(loaded: None, client: Client) -> None:
    assert Household.objects.count() == HOUSEHOLDS
    assert Household.objects.filter(is_demo_login=True).count() == 6
    assert Product.objects.count() > 1_000
    assert not Product.objects.filter(name="").exists()
    assert not Product.objects.filter(category__department__slug="tobacco", is_active=True).exists()
    assert Product.objects.values("name").annotate(n=Count("pk")).filter(n__gt=1).count() == 0
    assert authenticate(username="household-8", password="demo") is not None
    newest = Order.objects.aggregate(newest=Max("placed_at"))["newest"]
    assert newest <= datetime.now(UTC)
    household = Household.objects.filter(is_demo_login=True).first()
    assert household is not None
    client.force_login(household.user)
    for path in ("/", "/orders/", "/d/dairy-eggs/"):
        assert client.get(path).status_code == 200
    milk = Product.objects.get(pk=1029743)
    assert milk.name == "Own Brand Fresh Milk, 1 gal"
    assert milk.picture.startswith("milk-")


def test_every_line_is_an_event_of_its_household(loaded: None) -> None:
    lines, events = OrderLine.objects, Event.objects
    assert events.count() == lines.count() > 1_000
    assert events.aggregate(n=Sum("value_cents"))["n"] == lines.aggregate(n=Sum("value_cents"))["n"]
    assert set(events.values_list("kind", flat=True)) == {Event.Kind.PURCHASE}
    household = Household.objects.earliest("number")
    visitor = Visitor.objects.get(user=household.user)
    bought = OrderLine.objects.filter(order__user=household.user)
    assert visitor.events.count() == bought.count()
    assert visitor.events.latest("at").at == Order.objects.filter(user=household.user).latest("placed_at").placed_at


def test_totals_fit_the_lines(loaded: None) -> None:
    orders = Order.objects.aggregate(n=Sum("total_cents"))["n"]
    assert orders == OrderLine.objects.aggregate(n=Sum("value_cents"))["n"]


def test_a_second_load_does_nothing(loaded: None) -> None:
    before = _counts()
    assert "loaded already" in load(f"--households={HOUSEHOLDS}")
    assert _counts() == before


def test_a_larger_load_adds_to_a_smaller_one(loaded: None) -> None:
    load(f"--households={HOUSEHOLDS + 3}")
    assert Household.objects.count() >= HOUSEHOLDS + 3
    assert Event.objects.count() == OrderLine.objects.count()
    assert DataLoad.objects.get().households == HOUSEHOLDS + 3


def test_a_load_that_was_cut_off_is_finished_by_the_next(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(loading, "load_purchase_events", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            load(f"--households={HOUSEHOLDS}")
    assert OrderLine.objects.exists()
    assert not Event.objects.exists()
    load(f"--households={HOUSEHOLDS}")
    assert Event.objects.count() == OrderLine.objects.count()


def test_new_orders_continue_after_the_loaded_ones(loaded: None) -> None:
    largest = Order.objects.aggregate(n=Max("pk"))["n"]
    assert Order.objects.create(placed_at=datetime.now(UTC), total_cents=1).pk > largest


def test_no_households_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        load("--households=0")


def _cut_off(*arguments: object) -> None:
    raise KeyboardInterrupt


def _counts() -> list[int]:
    return [model._default_manager.count() for model in (Product, Household, Order, OrderLine, Event, Visitor)]
