"""Each fault of the data is found, named and judged; a shop where all is well is all green."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from recommender.capture.cleaning import HUMAN_PER_MINUTE
from recommender.catalog import Catalog, register
from recommender.exceptions import ReportTooSlow
from recommender.models import Event, QuarantinedEvent, Visitor
from recommender.quality import measure
from recommender.quality.findings import GREEN, RED, YELLOW, Finding
from recommender.quality.report import quality_report
from shop.models import Product
from shop.recommendations import ProductCatalog
from tests.quality.conftest import Add, book


def finding(code: str, days: int = 31) -> Finding:
    (found,) = [each for each in quality_report(days).findings if each.code == code]
    return found


def test_a_healthy_shop_is_all_green_and_has_nothing_to_do(shop: Visitor) -> None:
    report = quality_report()
    assert [(each.code, each.light) for each in report.findings if each.light != GREEN] == []
    assert {each.advice for each in report.findings} == {""}
    assert report.measured.events == 104
    kinds = {kind: sum(day.get(kind, 0) for day in report.measured.volumes.values()) for kind in (1, 2)}
    assert kinds == {Event.Kind.VIEW: 100, Event.Kind.CLICK: 4}


def test_an_empty_shop_is_told_what_is_missing(db: None) -> None:
    assert finding("volume").light == RED
    assert "beacon" in finding("volume").advice
    assert {finding(code).light for code in ("duplicates", "doubts", "clock", "lost_items", "price")} == {GREEN}


def test_older_events_are_not_counted(shop: Visitor) -> None:
    Event.objects.update(at=timezone.now() - timedelta(days=3))
    assert finding("volume", days=2).light == RED
    assert finding("volume", days=4).light == GREEN


def test_an_hour_without_events_is_a_gap_and_one_until_now_is_red(shop: Visitor, products: list[Product]) -> None:
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    Event.objects.all().delete()
    Event.objects.bulk_create(
        Event(visitor=shop, item=products[0], kind=1, source=1, at=this_hour - timedelta(hours=hour, minutes=30))
        for hour in range(0, 24 * 8)
        for _event in range(9)
        if hour != 30
    )
    found = finding("gaps")
    assert (found.light, "1 hours" in found.text) == (YELLOW, True)
    Event.objects.filter(at__gt=this_hour - timedelta(hours=2)).delete()
    assert finding("gaps").light == RED


def test_rows_that_are_lost_doubled_or_kept_back(shop: Visitor) -> None:
    book(received=40, duplicate=40)
    found = finding("duplicates")
    assert (found.light, "27.8 %" in found.text) == (RED, True)
    QuarantinedEvent.objects.bulk_create(
        QuarantinedEvent(source=1, code="unknown_item", payload="{}") for _ in range(3)
    )
    found = finding("quarantine")
    assert (found.light, "unknown_item 3" in found.text) == (YELLOW, True)
    assert finding("ledger").light == GREEN
    book(received=2, stored=1)
    assert finding("ledger").light == RED


def test_programs_are_told_apart(shop: Visitor, products: list[Product], add: Add) -> None:
    add(shop, products[0], 60, doubt=Event.Doubt.CRAWLER)
    add(shop, products[0], 5, doubt=Event.Doubt.WEBDRIVER)
    found = finding("doubts")
    assert found.light == YELLOW
    assert "crawler 60" in found.text and "automated browser 5" in found.text


def test_who_browses_too_fast_is_named(shop: Visitor, products: list[Product], add: Add) -> None:
    fast = Visitor.objects.create()
    minute = timezone.now().replace(second=5, microsecond=0) - timedelta(hours=2)
    add(fast, products[0], HUMAN_PER_MINUTE + 1, at=minute)
    found = finding("inhuman")
    assert found.light == RED  # a third of all events
    assert str(fast.key) in found.text and "1 visitors" in found.text and f"{HUMAN_PER_MINUTE + 1} events" in found.text


def test_items_that_are_gone_or_never_seen(shop: Visitor, products: list[Product], add: Add) -> None:
    add(shop, 987_654_321, 4)
    found = finding("lost_items")
    assert (found.light, "1 items" in found.text) == (YELLOW, True)
    Product.objects.bulk_create(
        Product(name=f"New {number}", category=products[0].category, price_cents=1, stock=stock)
        for number, stock in enumerate([1] * 5 + [0] * 50)
    )
    found = finding("unseen_items")
    assert (found.light, "55.6 % of the 9 " in found.text) == (YELLOW, True)  # what is sold out cannot be seen


def test_clocks_of_browsers_and_our_own(shop: Visitor, products: list[Product], add: Add) -> None:
    add(shop, products[0], 4, clock_skew_seconds=7_200)
    add(shop, products[0], 4, clock_skew_seconds=-7_200)
    found = finding("clock")
    assert (found.light, "NTP" in found.advice) == (YELLOW, False)
    add(shop, products[0], 150, clock_skew_seconds=300)
    found = finding("clock")
    assert (found.light, "NTP" in found.advice) == (RED, True)


def test_clicks_without_a_token(shop: Visitor, products: list[Product], add: Add) -> None:
    add(shop, products[0], 2, kind=Event.Kind.CLICK, doubt=Event.Doubt.NO_TOKEN)
    add(shop, products[0], 9, kind=Event.Kind.CLICK, source=Event.Source.SHOP)  # an app's word needs none
    found = finding("clicks")
    assert (found.light, "33.3 % of the 6 " in found.text) == (YELLOW, True)


def test_empty_fields_of_the_catalogue(shop: Visitor, products: list[Product]) -> None:
    Product.objects.filter(pk=products[0].pk).update(name="", brand="", picture="")
    assert (finding("title").light, finding("title").text) == (RED, "Empty: name 25 %.")
    assert "brand 25 %" in finding("attributes").text
    assert finding("attributes").light == GREEN
    Product.objects.update(description="")
    assert finding("text").light == RED


@pytest.fixture
def bare_catalogue() -> Any:
    @register
    class Bare(Catalog):
        pass

    yield
    register(ProductCatalog)


def test_a_catalogue_that_names_nothing(shop: Visitor, bare_catalogue: None) -> None:
    for code in ("title", "text", "attributes", "price", "picture"):
        assert finding(code).light == YELLOW
        assert "names no such field" in finding(code).text


def test_a_minute_long_the_numbers_are_those_of_before_in_any_language(shop: Visitor) -> None:
    before = quality_report(is_cached=True)
    with CaptureQueriesContext(connection) as queries, translation.override("zh-hans"):
        again = quality_report(is_cached=True)
    assert len(queries) == 0
    assert again.measured == before.measured
    assert again.findings[0].title != before.findings[0].title
    cache.clear()
    assert quality_report(is_cached=True).measured.until > before.measured.until


def test_a_statement_that_takes_too_long_is_cut(shop: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "STATEMENT_MS", 50)
    monkeypatch.setattr(
        measure, "_SKEW", "SELECT 1, 2 FROM pg_sleep(5), {events} WHERE {since} < {until} OR {bounds} IS NULL"
    )
    with pytest.raises(ReportTooSlow, match="fewer days"):
        quality_report()
    with connection.cursor() as cursor:  # nothing of it is left
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_it_takes_the_same_few_statements_however_many_events(shop: Visitor, products: list[Product], add: Add) -> None:
    with CaptureQueriesContext(connection) as few:
        quality_report()
    add(shop, products[1], 500)
    with CaptureQueriesContext(connection) as many:
        quality_report()
    assert len(few) == len(many) < 20
