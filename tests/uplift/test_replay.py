"""A whole replay against a running server: cookies, signed tokens, arms, and a result whose answer is known."""

import os
import stat
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from recommender.capture.tables import PURCHASE
from recommender.dataset.link_packing import pack_links
from recommender.exceptions import ReplayRefused
from recommender.models import ApiKey, Event, Experiment, Impression, TrainingRun, Visitor
from recommender.uplift import replay as replay_module
from recommender.uplift.browser import Browser, SeenList
from recommender.uplift.report import Reading
from recommender.uplift.truth import hold_back, read_truth
from shop.models import Product
from tests.worlds import make_event, make_products, publish_tiny_version

SHOPPERS = 6


def leads(n: int, other: int) -> list[bytes]:
    """Every item leads to the one `other` places on."""
    packed = []
    for place in range(n):
        rows = np.array([place + other + 1] if place + other < n else [], dtype=np.int64)
        packed.append(pack_links(rows, np.full((len(rows), 3), 0.5, dtype=np.float32)))
    return packed


def past(products: list[Product]) -> None:
    """Shoppers who bought number 8, and in the two newest weeks, three times, 9 and 10; 20 is what nobody buys."""
    for number in range(SHOPPERS):
        visitor = Visitor.objects.create()
        make_event(visitor, products[8], PURCHASE, days_ago=30 + number)
        for week in range(3):
            at = timezone.now() - timedelta(days=11 - 5 * week)
            for product in products[9:11]:
                Event.objects.create(
                    visitor=visitor, item=product, kind=PURCHASE, at=at, source=2, value_cents=150, quantity=2
                )


@pytest.fixture
def truth(tmp_path: Path, transactional_db: None) -> Path:
    """Purchases that were held back; item-kNN leads from number 8 to number 9, the popular list begins with 0."""
    products = make_products(24)
    past(products)
    file = tmp_path / "held.csv"
    call_command("recommender_hold_back", str(file), "--days", "14", "--noinput", stdout=StringIO())
    publish_tiny_version(products, links=leads(24, 1))
    TrainingRun.objects.update(started_at=timezone.now() + timedelta(seconds=2))
    return file


def test_what_is_held_back_is_in_the_file_and_nowhere_else(truth: Path) -> None:
    baskets = read_truth(truth)
    assert len(baskets) == SHOPPERS and stat.S_IMODE(truth.stat().st_mode) == 0o600
    for lines in baskets.values():
        assert [len(basket.lines) for basket in lines] == [2, 2, 2]
        assert lines[0].lines[0][1:] == ("2", "150")
    assert Event.objects.count() == SHOPPERS
    assert Event.objects.latest("at").at < min(lines[0].at for lines in baskets.values())


def test_a_replay_finds_the_better_list(truth: Path, live_server: Any) -> None:
    told = StringIO()
    arms = ["item_knn", "popular"]
    call_command(
        "recommender_replay", str(truth), "--url", live_server.url, "--arms", *arms, "--length", "5", stdout=told
    )
    experiment = Experiment.objects.get()
    assert (experiment.status, ApiKey.objects.get().revoked_at is None) == ("stopped", False)
    reading = Reading.from_json(experiment.result)
    ours, popular = reading.arms
    assert (ours.counts["visitors"], popular.counts["visitors"]) == (SHOPPERS, SHOPPERS)
    assert ours.counts["clicks"] > 0 == popular.counts["clicks"]
    assert ours.counts["orders"] > 0
    assert ours.counts["revenue_cents"] == 150 * ours.counts["purchases"]
    assert set(reading.left_out.values()) == {0}
    for word in ("cannot show", "CTR", "shopper by shopper"):
        assert word in told.getvalue()


def test_twins_live_in_the_recorded_time_and_the_recorded_shopper_is_untouched(truth: Path, live_server: Any) -> None:
    before = list(Event.objects.order_by("pk").values_list("pk", "at"))
    call_command(
        "recommender_replay", str(truth), "--url", live_server.url, "--arms", "live", "popular", stdout=StringIO()
    )
    assert (
        list(Event.objects.filter(pk__in=[key for key, _ in before]).order_by("pk").values_list("pk", "at")) == before
    )
    twins = Visitor.objects.exclude(pk__in=Event.objects.filter(pk__in=[key for key, _ in before]).values("visitor"))
    assert twins.count() == 2 * SHOPPERS
    for twin in twins:
        times = sorted(twin.events.values_list("at", flat=True))
        gaps = [late - early for early, late in zip(times, times[1:], strict=False)]
        visits = [round(gap / timedelta(days=1)) for gap in gaps if gap > timedelta(hours=1)]
        assert visits[1:] == [5, 5]  # behind the gap to the visit before what is replayed
    assert Impression.objects.count() == 2 * SHOPPERS * 3


def test_what_the_version_may_have_seen_is_not_replayed(truth: Path, live_server: Any) -> None:
    TrainingRun.objects.update(started_at=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(CommandError, match="trained before"):
        call_command("recommender_replay", str(truth), "--url", live_server.url)


def test_what_the_histories_still_hold_is_not_replayed(truth: Path, live_server: Any) -> None:
    key = next(iter(read_truth(truth)))
    make_event(Visitor.objects.get(key=key), Product.objects.first(), PURCHASE)
    with pytest.raises(CommandError, match="still holds"):
        call_command("recommender_replay", str(truth), "--url", live_server.url)


@pytest.mark.parametrize("kept_lists", [1, 1_000])
def test_a_kept_list_is_no_arms_and_asked_for_again(
    truth: Path, live_server: Any, monkeypatch: Any, kept_lists: int
) -> None:
    asked = Browser.see_list
    kept: list[SeenList] = []

    def see_list(browser: Browser, visitor: Visitor, n: int) -> SeenList:
        seen = asked(browser, visitor, n)
        if len(kept) == kept_lists:
            return seen
        kept.append(seen._replace(rung="last_good", token=""))
        return kept[-1]

    monkeypatch.setattr(Browser, "see_list", see_list)
    monkeypatch.setattr(replay_module, "LOOK_SECONDS", 0.0)
    words = (
        "recommender_replay",
        str(truth),
        "--url",
        live_server.url,
        "--arms",
        "item_knn",
        "popular",
        "--threads",
        "1",
    )
    if kept_lists == 1:
        call_command(*words, stdout=StringIO())
        assert len(kept) == 1 and Reading.from_json(Experiment.objects.get().result).arms[0].counts["clicks"] > 0
    else:
        with pytest.raises(CommandError, match="time to answer"):
            call_command(*words, stdout=StringIO())
        assert replay_module.LOOKS <= len(kept) <= 2 * replay_module.LOOKS  # and nobody else's life began


def test_without_a_server_nothing_runs_on(truth: Path) -> None:
    with pytest.raises(CommandError):
        call_command("recommender_replay", str(truth), "--url", "http://127.0.0.1:9", stdout=StringIO())
    assert Experiment.objects.get().status == "stopped"
    assert ApiKey.objects.get().revoked_at is not None


def test_one_strategy_is_no_comparison(truth: Path) -> None:
    with pytest.raises(CommandError, match="two different"):
        call_command(
            "recommender_replay", str(truth), "--url", "http://127.0.0.1:9", "--arms", "live", stdout=StringIO()
        )


@pytest.mark.django_db
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "held.csv"
    file.write_text("mine")
    with pytest.raises(ReplayRefused, match="already"):
        hold_back(14, file)
    assert file.read_text() == "mine"


@pytest.mark.django_db
def test_there_must_be_something_to_hold_back(tmp_path: Path) -> None:
    with pytest.raises(ReplayRefused, match="no events"):
        hold_back(14, tmp_path / "held.csv")
    assert os.listdir(tmp_path) == []


def test_another_file_is_no_truth(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(ReplayRefused, match="recommender_hold_back"):
        read_truth(file)


def test_a_server_that_refuses_is_told(live_server: Any) -> None:
    browser = Browser(live_server.url, "wrong.key")
    with pytest.raises(ReplayRefused, match="401"):
        browser.order(Visitor.objects.create(), [("1", "1", "")])  # type: ignore[list-item]
    browser.close()
