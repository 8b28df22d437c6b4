from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db.models import Value
from django.db.models.functions import Replace
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from recommender.capture import ledger
from recommender.capture.bulk import EventColumns, event_ids, load_events
from recommender.capture.quarantine import Replayed, replay, trim
from recommender.capture.record import record_event, record_events
from recommender.exceptions import EventRefused
from recommender.models import Event, LedgerEntry, QuarantinedEvent, Visitor
from shop.models import Product

BEACON, SHOP, BULK = Event.Source.BEACON, Event.Source.SHOP, Event.Source.BULK


def books(source: int = BEACON) -> dict[str, int]:
    (line,) = [line for line in ledger.lines() if line.source == source]
    assert line.difference == 0
    return {name: getattr(line, name) for name in ledger.COUNTS if getattr(line, name)}


def row(product: Product, **more: Any) -> dict[str, Any]:
    return {"item": product.pk, "kind": "view", **more}


def test_every_outcome_is_booked(visitor: Visitor, product: Product) -> None:
    twice = row(product, id=str(uuid7()))
    rows = [
        twice,
        twice,
        row(product),
        row(product, item=987_654_321),
        row(product, kind="x"),
        row(product, kind="cart"),
        7,
    ]
    outcome = record_events(visitor, rows, source=BEACON, kinds=("view",))
    assert (outcome.stored, outcome.duplicates) == (2, 1)
    assert [each.code for each in outcome.quarantined] == ["unknown_item", "unknown_kind"]
    assert [each.code for each in outcome.refused] == ["forbidden_kind", "not_an_object"]
    assert books() == {"received": 7, "stored": 2, "duplicate": 1, "quarantined": 2, "refused": 2}


def test_a_refusal_that_python_code_is_told_needs_no_quarantine(visitor: Visitor, product: Product) -> None:
    with pytest.raises(EventRefused):
        record_event(visitor, 987_654_321, "view")
    assert books(SHOP) == {"received": 1, "refused": 1}
    assert not QuarantinedEvent.objects.exists()


def test_the_bulk_path_keeps_the_same_books(visitor: Visitor, product: Product) -> None:
    at = [1_600_000_000] * 3
    items = np.array([product.pk, product.pk, 987_654_321])
    columns = EventColumns(
        event_ids(at, ["a", "b", "c"]), np.array([visitor.pk] * 3), items, np.array([1] * 3), np.array(at)
    )
    for _load in range(2):
        load_events(columns)
    assert books(BULK) == {"received": 6, "stored": 2, "duplicate": 2, "refused": 2}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_law_holds_whatever_comes_in_whatever_order(data: Any, visitor: Visitor, product: Product) -> None:
    """A pool of rows, good and bad, sent in any batches, any number of times."""
    ids = [str(uuid7()) for _ in range(4)]
    kinds = st.sampled_from(["view", "purchase", "x", None])
    items = st.sampled_from([product.pk, 987_654_321, "no key"])
    rows = st.one_of(st.none(), st.fixed_dictionaries({"id": st.sampled_from(ids), "item": items, "kind": kinds}))
    before = sum(line.received for line in ledger.lines())
    batches = data.draw(st.lists(st.lists(rows, max_size=6), max_size=5))
    for batch in batches:
        record_events(visitor, batch, source=BEACON, kinds=("view",))
        if data.draw(st.booleans()):
            ledger.compact()
    assert sum(line.received for line in ledger.lines()) - before == sum(map(len, batches))
    assert all(line.difference == 0 for line in ledger.lines())
    assert sum(line.stored for line in ledger.lines()) == Event.objects.count()


def test_compacting_changes_no_sum(visitor: Visitor, product: Product) -> None:
    for _batch in range(5):
        record_events(visitor, [row(product)], source=BEACON)
    before = ledger.lines()
    assert ledger.compact() == 5
    assert ledger.compact() == 0
    assert LedgerEntry.objects.count() == 1
    assert ledger.lines() == before


def test_a_row_that_got_lost_is_a_red_light(visitor: Visitor, product: Product, admin_client: Any) -> None:
    record_events(visitor, [row(product)], source=BEACON)
    page = admin_client.get("/admin/recommender/ledgerentry/").content.decode()
    assert "adds up" in page and "does not add up" not in page
    call_command("recommender_ledger")
    Event.objects.all()  # the row stays, its outcome is forgotten
    LedgerEntry.objects.update(stored=0)
    assert "does not add up" in admin_client.get("/admin/recommender/ledgerentry/").content.decode()
    with pytest.raises(CommandError, match="do not add up"):
        call_command("recommender_ledger")
    assert "recommender.W006" in {message.id for message in run_checks(databases=["default"])}


def test_the_default_partition_is_a_red_light(visitor: Visitor, product: Product, admin_client: Any) -> None:
    key = uuid7(nanoseconds=1_500_000_000 * 10**9)
    Event.objects.create(pk=key, visitor=visitor, item=product, kind=1, at=timezone.now(), source=SHOP)
    assert "default partition in use" in admin_client.get("/admin/recommender/ledgerentry/").content.decode()
    with pytest.raises(CommandError, match="default partition"):
        call_command("recommender_ledger")
    assert "recommender.W005" in {message.id for message in run_checks(databases=["default"])}


# --- quarantine


def test_a_row_is_stored_once_its_cause_is_mended(visitor: Visitor, product: Product) -> None:
    """A product that the shop imported after its first visitors saw it."""
    sent = row(product, item=product.pk + 1_000, id=str(uuid7()), token="x")
    record_events(visitor, [sent, sent], source=BEACON)
    keys = list(QuarantinedEvent.objects.values_list("pk", flat=True))
    assert replay(keys) == Replayed(still=2)
    Product.objects.create(pk=product.pk + 1_000, name="New", category=product.category, price_cents=1)
    keys = list(QuarantinedEvent.objects.values_list("pk", flat=True))
    assert replay(keys) == Replayed(stored=1, duplicates=1)
    assert not QuarantinedEvent.objects.exists()
    assert books() == {"received": 2, "stored": 1, "duplicate": 1}
    event = Event.objects.get()
    assert (event.visitor, event.item_id) == (visitor, product.pk + 1_000)


@pytest.mark.parametrize("wrong", ["unknown_item", "bad_quantity"])
def test_a_row_that_is_tried_again_is_as_doubtful_as_it_was(visitor: Visitor, product: Product, wrong: str) -> None:
    sent = row(product, quantity=0) if wrong == "bad_quantity" else row(product, item=product.pk + 1_000)
    record_events(visitor, [sent, row(product)], source=BEACON, doubt=Event.Doubt.CRAWLER)
    assert QuarantinedEvent.objects.get().code == wrong
    Product.objects.create(pk=product.pk + 1_000, name="New", category=product.category, price_cents=1)
    QuarantinedEvent.objects.update(payload=Replace("payload", Value('"quantity": 0'), Value('"quantity": 1')))
    assert replay(QuarantinedEvent.objects.values_list("pk", flat=True)).stored == 1
    assert list(Event.objects.values_list("doubt", flat=True)) == [Event.Doubt.CRAWLER] * 2


def test_a_row_is_tried_again_as_of_when_it_came(visitor: Visitor, product: Product) -> None:
    at = timezone.now() - timedelta(days=20)
    record_events(visitor, [row(product, item=product.pk + 1_000, at=at.isoformat())], source=BEACON)
    QuarantinedEvent.objects.update(received_at=at + timedelta(seconds=5))
    Product.objects.create(pk=product.pk + 1_000, name="New", category=product.category, price_cents=1)
    assert replay(QuarantinedEvent.objects.values_list("pk", flat=True)).stored == 1
    assert abs(Event.objects.get().at - at) < timedelta(seconds=1)


def test_what_is_of_nobody_or_cut_stays(visitor: Visitor, product: Product) -> None:
    record_events(visitor, [row(product, kind="x")], source=BEACON)
    QuarantinedEvent.objects.update(visitor=None)
    record_events(visitor, [row(product, kind="x", token="x" * 5_000)], source=BEACON)
    assert list(QuarantinedEvent.objects.order_by("pk").values_list("is_cut", flat=True)) == [False, True]
    assert len(QuarantinedEvent.objects.get(is_cut=True).payload) == 2_000
    assert replay(QuarantinedEvent.objects.values_list("pk", flat=True)) == Replayed(still=2)


def test_the_quarantine_does_not_grow_for_ever(visitor: Visitor, product: Product, settings: Any) -> None:
    record_events(visitor, [row(product, kind=f"x{number}") for number in range(6)], source=BEACON)
    settings.RECOMMENDER_QUARANTINE_ROWS = 4
    assert trim() == 2
    first = QuarantinedEvent.objects.order_by("pk")[0]
    QuarantinedEvent.objects.filter(pk=first.pk).update(received_at=timezone.now() - timedelta(days=31))
    assert trim() == 1
    assert not QuarantinedEvent.objects.filter(pk=first.pk).exists()


def test_admin_tries_again(visitor: Visitor, product: Product, admin_client: Any) -> None:
    record_events(visitor, [row(product, item=product.pk + 1_000)], source=BEACON)
    Product.objects.create(pk=product.pk + 1_000, name="New", category=product.category, price_cents=1)
    key = QuarantinedEvent.objects.get().pk
    url = "/admin/recommender/quarantinedevent/"
    assert "unknown_item" in admin_client.get(url).content.decode()
    data = {"action": "try_again", "_selected_action": [key]}
    assert "1 event is stored now." in admin_client.post(url, data, follow=True).content.decode()
    assert Event.objects.exists()
