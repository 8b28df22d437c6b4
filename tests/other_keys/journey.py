"""Run by tests/capture/test_other_keys.py in a process of its own: the item model is fixed when Django starts."""

import json
from uuid import uuid4

import numpy as np
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.test import Client
from uuid_utils.compat import uuid7

from recommender.capture.bulk import EventColumns, event_ids, load_events
from recommender.capture.export import export_events, export_items
from recommender.capture.record import record_event
from recommender.catalog import key_field
from recommender.exceptions import EventRefused
from recommender.index.writer import shop_keys
from recommender.models import Event, ModelVersion, Visitor
from recommender.refresh import _missing
from recommender.tokens import sign_impressions
from tests.other_keys.models import Item

pytestmark = pytest.mark.django_db
KEYS = {"uuid": [uuid4() for _ in range(3)], "text": ["a/b", "Ünï 猫", 'it\'s "%s"'], "child": [11, 12, 13]}
KEY_TYPE = settings.KEY_TYPE


@pytest.fixture
def items() -> list[Item]:
    return [Item.objects.create(pk=key, name=f"Item {number}") for number, key in enumerate(KEYS[KEY_TYPE])]


def travelling(item: Item) -> int | str:
    return item.pk if KEY_TYPE == "child" else str(item.pk)


def test_events_come_in_by_every_door_and_go_out_with_their_keys(items: list[Item]) -> None:
    visitor = Visitor.objects.create()
    assert record_event(visitor, items[0], "view")
    token = sign_impressions(
        {"v": "", "l": str(uuid7()), "p": "for_you", "m": 1, "r": "", "i": [str(item.pk) for item in items]}
    )
    rows = [{"item": travelling(item), "kind": "click", "token": token} for item in items]
    rows += [{"item": wrong, "kind": "click"} for wrong in ("x" * 999, "a\0", "\ud800", "missing", 10**40, None)]
    answer = Client().post("/recommender/events/", json.dumps({"events": rows}), content_type="application/json").json()
    assert (answer["stored"], len(answer["quarantined"])) == (3, 6)
    assert {event.impression["slot"] for event in Event.objects.filter(kind=Event.Kind.CLICK)} == {1, 2, 3}
    at = np.array([1_500_000_000] * 4)
    columns = EventColumns(
        id=event_ids(at, ["a", "b", "c", "d"]),
        visitor=np.array([visitor.pk] * 4),
        item=[*(item.pk for item in items), "missing"],
        kind=np.array([4] * 4),
        at=at,
    )
    assert (load_events(columns).stored, load_events(columns).duplicates) == (3, 3)
    log = export_events()
    assert len(log) == 7
    assert set(log.item.tolist()) == {travelling(item) for item in items}
    assert list(Event.objects.filter(kind=Event.Kind.VIEW).values_list("item", flat=True)) == [items[0].pk]


def test_keys_of_a_version_are_keys_whatever_a_validator_says_by_now(items: list[Item], monkeypatch) -> None:
    def refuse(value: object) -> None:
        raise ValidationError("no")

    monkeypatch.setattr(type(key_field()), "validators", [refuse])
    assert shop_keys(export_items().item) == sorted((item.pk for item in items), key=str)


def test_items_that_a_version_lacks_are_found(items: list[Item]) -> None:
    assert sorted(_missing(ModelVersion(pk=1)), key=str) == sorted((item.pk for item in items), key=str)


def test_items_come_in_the_order_of_their_keys(items: list[Item]) -> None:
    table = export_items()
    expected = sorted(items, key=travelling)
    assert table.item.tolist() == [travelling(item) for item in expected]
    assert table.title == [item.name for item in expected]
    assert np.all(np.sort(table.item) == table.item)


def test_events_of_a_deleted_item_are_left_out(items: list[Item]) -> None:
    visitor = Visitor.objects.create()
    for item in items:
        record_event(visitor, item, "view")
    items[1].delete()
    assert len(export_events()) == 2
    with pytest.raises(EventRefused):
        record_event(visitor, KEYS[KEY_TYPE][1], "view")
