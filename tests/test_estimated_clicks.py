"""A version that nobody has seen is estimated from the lists of another one, whose chances were logged."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from uuid_utils.compat import uuid7

from recommender.capture.partitions import milliseconds_of
from recommender.capture.tables import CLICK, PURCHASE
from recommender.estimated_clicks import ClickEstimate, estimate_clicks, estimate_waiting
from recommender.models import Event, Impression, ModelVersion, Visitor
from recommender.serving.as_of import list_as_of
from recommender.serving.query import Query
from recommender.serving.recommend import recommend
from recommender.uplift.logged import seen_lists
from shop.models import Product
from tests.admin.conftest import StaffClient, staff_client
from tests.experiment_worlds import run_experiment
from tests.worlds import make_event, make_products, publish_tiny_version, write_tiny_version

__all__ = ["staff_client"]

pytestmark = pytest.mark.django_db
RATES = {True: 0.4, False: 0.1}  # clicks of a seen item that the new version would show, and of another one
VISITORS = 240


@pytest.fixture
def products() -> list[Product]:
    """Of two groups: even ones and odd ones."""
    return make_products(20)


@pytest.fixture
def version(products: list[Product]) -> ModelVersion:
    publish_tiny_version(products)
    return write_tiny_version(products)


def visitors_of(product: Product, n: int) -> list[Visitor]:
    made = Visitor.objects.bulk_create(Visitor() for _ in range(n))
    at = timezone.now() - timedelta(days=2)
    Event.objects.bulk_create(
        Event(id=uuid7(), visitor=visitor, item=product, kind=PURCHASE, at=at, source=Event.Source.SHOP)
        for visitor in made
    )
    return made


def see(visitor: Visitor, items: list[str], chances: list[float], clicked: list[bool], **changes: Any) -> None:
    """One list whose slots were all seen, and its clicks."""
    values: dict[str, Any] = {"placement": "for_you", "rung": "personal", "slots": [*range(1, len(items) + 1)]}
    seen = Impression.objects.create(
        list_id=uuid7(), visitor=visitor, items=items, propensities=chances, **values | changes
    )
    for item, is_clicked in zip(items, clicked, strict=True):
        if is_clicked:
            place = {"list": str(seen.list_id)}
            Event.objects.create(
                visitor=visitor, item_id=item, kind=CLICK, at=timezone.now(), source=1, impression=place
            )


def see_all(version: ModelVersion, products: list[Product], chance: float) -> None:
    """Each slot shows with `chance` what the version would show, else an item of the other group."""
    draw, visitors = random.Random(7), visitors_of(products[0], VISITORS)  # noqa: S311
    wanted = list_as_of(version, visitors[0], 4, timezone.now())
    others = [str(product.pk) for product in products[1::2]][:4]
    assert not set(wanted) & set(others)
    for visitor in visitors:
        hits = [draw.random() < chance for _ in wanted]
        items = [own if hit else other for own, other, hit in zip(wanted, others, hits, strict=True)]
        chances = [chance if hit else 1 - chance for hit in hits]
        see(visitor, items, chances, [draw.random() < RATES[hit] for hit in hits])


def test_the_clicks_of_an_unseen_version_are_estimated(
    version: ModelVersion, products: list[Product], staff_client: StaffClient, capsys: pytest.CaptureFixture[str]
) -> None:
    see_all(version, products, 0.5)
    call_command("recommender_estimate", str(version.pk))
    version.refresh_from_db()
    found = ClickEstimate.from_json(version.estimated_clicks)
    assert found.lists == found.drawn == VISITORS
    assert found.slots == 4 * VISITORS
    assert found.withheld == ""
    assert found.estimate.served.mean == pytest.approx(0.25, abs=0.04)
    for _name, mean, interval in found.rates():
        assert mean == pytest.approx(RATES[True], abs=0.06)
        assert interval is not None
        assert interval.low < RATES[True] < interval.high
    assert found.gain is not None
    assert found.gain.low > 0
    assert "doubly_robust" in capsys.readouterr().out
    page = staff_client("publish").get(f"/admin/recommender/modelversion/{version.pk}/change/").content.decode()
    assert "clicks than what was served to the same visitors" in page
    assert "Estimated clicks, before anyone sees it" in page
    assert "Estimate now" in page


def test_the_chances_that_are_logged_are_those_that_the_estimate_needs(
    version: ModelVersion, products: list[Product], settings: Any
) -> None:
    """Real lists with trials: of the same vectors without trials, the estimate takes the trials out again."""
    settings.RECOMMENDER_EXPLORATION_SHARE = 0.1
    random.seed(3)  # of the trials
    draw, even = random.Random(5), {str(product.pk) for product in products[::2]}  # noqa: S311
    for visitor in visitors_of(products[0], 120):
        entries = recommend(Query("for_you", visitor, 5)).entries
        items = [str(entry.item.pk) for entry in entries]
        see(visitor, items, [entry.propensity for entry in entries], [draw.random() < RATES[i in even] for i in items])
    found = estimate_clicks(version)
    assert found.drawn == 120
    assert found.estimate.covered == pytest.approx(1.0, abs=0.08)
    assert found.estimate.served.mean == pytest.approx(0.9 * RATES[True] + 0.1 * RATES[False], abs=0.04)
    inner = found.rates()[0][2]
    assert inner is not None
    assert inner.low < RATES[True] < inner.high
    assert found.estimate.samples["doubly_robust"].mean > found.estimate.served.mean


def test_what_was_never_tried_is_not_told(version: ModelVersion, products: list[Product]) -> None:
    (visitor,) = visitors_of(products[0], 1)
    others = [str(product.pk) for product in products[1::2]][:4]
    see(visitor, others, [1.0] * 4, [False] * 4)
    found = estimate_clicks(version)
    assert "left anything to chance" in found.withheld
    assert found.gain is None
    see(visitor, others, [1.0, 1.0, 0.5, 1.0], [False] * 4)
    assert "Only 0 % of what it would show" in estimate_clicks(version).withheld


def test_a_handful_of_visitors_is_not_told(version: ModelVersion, products: list[Product]) -> None:
    (visitor,) = visitors_of(products[0], 1)
    see(visitor, list_as_of(version, visitor, 4, timezone.now()), [0.5] * 4, [True] * 4)
    found = estimate_clicks(version)
    assert "2.0" in f"{found.estimate.covered:.1f}"
    assert "worth 1 visitors; 100 are needed" in found.withheld


def test_lists_that_the_version_learned_from_do_not_count(version: ModelVersion, products: list[Product]) -> None:
    see_all(version, products[:12], 0.5)
    version.run.started_at = timezone.now()
    version.run.save()
    assert "learned from the earlier ones" in estimate_clicks(version).withheld


def test_a_list_of_the_millisecond_in_which_the_version_learned_does_not_count(products: list[Product]) -> None:
    (visitor,) = visitors_of(products[0], 1)
    see(visitor, [str(products[0].pk)], [0.5], [False])
    made_at = datetime.fromtimestamp(milliseconds_of(Impression.objects.get().list_id) / 1_000, UTC)
    assert seen_lists("for_you", "personal", made_at + timedelta(microseconds=900), 10) == []
    assert seen_lists("for_you", "personal", made_at, 10) == []
    assert len(seen_lists("for_you", "personal", made_at - timedelta(milliseconds=1), 10)) == 1


def test_a_list_of_the_past_knows_nothing_of_later(version: ModelVersion, products: list[Product]) -> None:
    visitor = Visitor.objects.create()
    make_event(visitor, products[0], days_ago=2)
    make_event(visitor, products[1], days_ago=0.5)
    then = list_as_of(version, visitor, 4, timezone.now() - timedelta(days=1))
    even = {str(product.pk) for product in products[::2]}
    assert set(then) <= even
    assert not set(list_as_of(version, visitor, 4, timezone.now())) <= even
    assert list_as_of(version, visitor, 4, timezone.now() - timedelta(days=3)) == []


def test_programs_doubted_clicks_and_interleaved_lists_have_no_part(
    version: ModelVersion, products: list[Product]
) -> None:
    (visitor,) = visitors_of(products[0], 1)
    items, start = [str(product.pk) for product in products[:2]], timezone.now()
    (arm,) = run_experiment("interleaved", version=version)
    see(visitor, items, [1.0, 1.0], [True, True], doubt=Event.Doubt.CRAWLER)
    see(visitor, items, [1.0, 1.0], [True, True], arm_id=arm.pk)
    see(visitor, items, [1.0, 1.0], [True, True], rung="popular")
    assert seen_lists("for_you", "personal", start - timedelta(days=1), 10) == []
    see(visitor, items, [1.0, 0.5], [True, True], slots=[2])
    Event.objects.filter(kind=CLICK, item=products[1]).update(doubt=Event.Doubt.RATE)
    (only,) = seen_lists("for_you", "personal", start - timedelta(days=1), 10)
    assert (only.items, only.chances, only.clicked, only.length) == ([items[1]], [0.5], [False], 2)


def test_a_list_that_a_replay_moved_into_the_past_knows_nothing_of_later(
    version: ModelVersion, products: list[Product]
) -> None:
    """A twin's events are moved back before each of its baskets; the time in a list's id stays."""
    (visitor,) = visitors_of(products[0], 1)
    see(visitor, [str(products[2].pk)], [1.0], [True])
    moved = timedelta(hours=30)
    Event.objects.filter(kind=CLICK).update(at=timezone.now() - moved)
    Impression.objects.update(seen_at=timezone.now() - moved)
    Event.objects.filter(kind=PURCHASE).update(at=timezone.now() - 2 * moved)
    (only,) = seen_lists("for_you", "personal", timezone.now() - timedelta(minutes=5), 10)
    before = Event.objects.filter(visitor=visitor, at__lt=only.made_at)
    assert [event.kind for event in before] == [PURCHASE]


def test_the_beat_estimates_what_waits_and_again_only_after_new_lists(
    version: ModelVersion, products: list[Product]
) -> None:
    (visitor,) = visitors_of(products[0], 1)
    see(visitor, [str(products[1].pk)], [0.5], [False])
    assert estimate_waiting() == [version.pk]
    assert estimate_waiting() == []
    see(visitor, [str(products[1].pk)], [0.5], [False])
    assert estimate_waiting() == [version.pk]


def test_a_press_of_the_button_has_a_worker_estimate(
    version: ModelVersion, products: list[Product], staff_client: StaffClient, settings: Any
) -> None:
    from celery import current_app

    current_app.conf.task_always_eager = True
    try:
        client = staff_client("publish")
        answer = client.post(f"/admin/recommender/modelversion/{version.pk}/estimate/", follow=True)
    finally:
        current_app.conf.task_always_eager = False
    assert "A worker estimates the clicks" in answer.content.decode()
    assert "withheld" in answer.content.decode()
    version.refresh_from_db()
    assert version.estimated_clicks["lists"] == 0
    compared = client.get("/admin/recommender/modelversion/compare/").content.decode()
    assert f"Estimated clicks of {version}" in compared
    refused = staff_client("view_modelversion").post(f"/admin/recommender/modelversion/{version.pk}/estimate/")
    assert refused.status_code == 403
