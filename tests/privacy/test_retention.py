"""Every kind of event goes when its time is over, whole months at once."""

from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from recommender.capture.partitions import ensure_months, existing_months, first_day
from recommender.models import Event, Tombstone, Visitor
from recommender.privacy.erasure import erase
from recommender.privacy.retention import RETENTION, expire
from recommender.tasks import beat_schedule
from shop.models import Product
from tests.worlds import make_event

SHORT = override_settings(
    RECOMMENDER_VIEW_RETENTION_DAYS=10,
    RECOMMENDER_CLICK_RETENTION_DAYS=20,
    RECOMMENDER_CART_RETENTION_DAYS=30,
    RECOMMENDER_PURCHASE_RETENTION_DAYS=60,
)


def test_every_kind_has_its_time() -> None:
    assert set(RETENTION) == set(Event.Kind)


@SHORT
def test_each_kind_goes_after_its_own_time(product: Product) -> None:
    visitor = Visitor.objects.create()
    for kind in Event.Kind:
        for days_ago in (1, 15, 25, 45, 70):
            make_event(visitor, product, kind, days_ago=days_ago)
    expire()
    left = {kind: Event.objects.filter(kind=kind).count() for kind in Event.Kind}
    assert left == {Event.Kind.VIEW: 1, Event.Kind.CLICK: 2, Event.Kind.CART: 3, Event.Kind.PURCHASE: 4}
    assert expire().events == 0


@override_settings(
    RECOMMENDER_VIEW_RETENTION_DAYS=0,
    RECOMMENDER_CLICK_RETENTION_DAYS=0,
    RECOMMENDER_CART_RETENTION_DAYS=0,
    RECOMMENDER_PURCHASE_RETENTION_DAYS=0,
)
def test_zero_keeps_for_ever(product: Product) -> None:
    make_event(Visitor.objects.create(), product, days_ago=5_000)
    expire()
    assert Event.objects.count() == 1


@SHORT
def test_where_one_kind_is_kept_for_ever_browsers_without_events_go_all_the_same(product: Product, settings) -> None:
    settings.RECOMMENDER_PURCHASE_RETENTION_DAYS = 0
    kept, gone = Visitor.objects.create(), Visitor.objects.create()
    make_event(kept, product, days_ago=5_000)
    make_event(gone, product, Event.Kind.VIEW, days_ago=50)
    Visitor.objects.update(created_at=timezone.now() - timedelta(days=5_000))
    expire()
    assert list(Visitor.objects.all()) == [kept]


@SHORT
@pytest.mark.django_db(transaction=True)
def test_whole_months_beyond_every_kind_are_dropped(products: list[Product]) -> None:
    old = timezone.now() - timedelta(days=150)
    ensure_months([first_day(old)])
    visitor = Visitor.objects.create()
    event = make_event(visitor, products[0], days_ago=150)
    assert Event.objects.filter(pk=event.pk).exists()
    assert expire().months >= 1
    assert first_day(old) not in existing_months()


@SHORT
def test_browsers_without_events_go_accounts_stay(product: Product, django_user_model: type) -> None:
    account = Visitor.objects.create(user=django_user_model.objects.create(username="ana"))
    gone, active, new = (Visitor.objects.create() for _ in range(3))
    make_event(active, product)
    old = [account.pk, gone.pk, active.pk]
    Visitor.objects.filter(pk__in=old).update(created_at=timezone.now() - timedelta(days=61))
    assert expire().visitors == 1
    assert set(Visitor.objects.all()) == {account, active, new}


def test_tombstones_of_browsers_go_when_no_cookie_can_come_back(db: None, django_user_model: type) -> None:
    erase(Visitor.objects.create(user=django_user_model.objects.create(username="ana")))
    assert Tombstone.objects.count() == 2
    Tombstone.objects.exclude(expires_at=None).update(expires_at=timezone.now())
    expire()
    assert Tombstone.objects.get().expires_at is None  # of the account: loading its past again must not bring it back


def test_the_beat_runs_it() -> None:
    entry = beat_schedule()["recommender-expire"]
    assert entry["task"] == "recommender.expire" and entry["schedule"] <= timedelta(hours=1)
