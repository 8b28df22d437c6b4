import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from recommender.capture.drafts import Draft, clock_of
from recommender.capture.partitions import milliseconds_of, undated
from recommender.capture.rows import MAX_QUANTITY, check_rows
from recommender.capture.tables import CLICK, PURCHASE
from shop.models import Product


def one(product: Product, **row: Any) -> Draft:
    checked = check_rows([{"item": product.pk, "kind": "view", **row}])
    assert checked.rejected == []
    return checked.drafts[0]


def refusal(product: Product, **row: Any) -> str:
    checked = check_rows([{"item": product.pk, "kind": "view", **row}])
    assert checked.drafts == []
    return checked.rejected[0].code


def test_a_full_row_becomes_a_draft(product: Product) -> None:
    key, at = uuid7(), timezone.now() - timedelta(hours=1)
    draft = one(product, id=str(key), kind="purchase", at=at.isoformat(), quantity=3, value_cents=597, token="t")
    assert (draft.id, draft.item, draft.kind, draft.quantity, draft.value_cents) == (key, product.pk, PURCHASE, 3, 597)
    assert abs(draft.at - at) < timedelta(milliseconds=1)
    assert draft.token == "t"


def test_what_is_left_out_gets_a_default(product: Product) -> None:
    draft = one(product, kind="click")
    assert (draft.kind, draft.quantity, draft.value_cents, draft.token) == (CLICK, 1, None, "")
    assert draft.id.version == 7
    assert timezone.now() - draft.at < timedelta(seconds=10)


def test_a_key_may_come_as_text(product: Product) -> None:
    assert one(product, item=str(product.pk)).item == product.pk


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"item": None}, "unknown_item"),
        ({"item": "no key"}, "unknown_item"),
        ({"item": "1\0"}, "unknown_item"),
        ({"item": "\ud800"}, "unknown_item"),
        ({"item": float("nan")}, "unknown_item"),
        ({"item": True}, "unknown_item"),
        ({"item": 10**30}, "unknown_item"),
        ({"item": "9" * 5_000}, "unknown_item"),
        ({"item": {"id": 1}}, "unknown_item"),
        ({"item": [1]}, "unknown_item"),
        ({"kind": "look"}, "unknown_kind"),
        ({"kind": None}, "unknown_kind"),
        ({"kind": 1}, "unknown_kind"),
        ({"kind": ["view"]}, "unknown_kind"),
        ({"kind": "VIEW\0"}, "unknown_kind"),
        ({"at": "1970-01-01T00:00:00Z"}, "too_old"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "too_old"),
        ({"at": "2100-01-01T00:00:00Z"}, "in_future"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "in_future"),
        ({"at": "2026-11-24T12:00:00"}, "bad_time"),
        ({"at": "2026-02-30T12:00:00Z"}, "bad_time"),
        ({"at": "yesterday"}, "bad_time"),
        ({"at": 1_795_000_000}, "bad_time"),
        ({"at": "\0"}, "bad_time"),
        ({"quantity": 0}, "bad_quantity"),
        ({"quantity": -1}, "bad_quantity"),
        ({"quantity": 1.0}, "bad_quantity"),
        ({"quantity": float("nan")}, "bad_quantity"),
        ({"quantity": "2"}, "bad_quantity"),
        ({"quantity": True}, "bad_quantity"),
        ({"quantity": MAX_QUANTITY + 1}, "bad_quantity"),
        ({"value_cents": -1}, "bad_value"),
        ({"value_cents": 10**20}, "bad_value"),
        ({"value_cents": "1"}, "bad_value"),
        ({"id": "x"}, "bad_id"),
        ({"id": 7}, "bad_id"),
        ({"id": str(uuid4())}, "bad_id"),
        ({"id": "\ud800"}, "bad_id"),
        ({"token": 1}, "bad_token"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(product: Product, row: dict[str, Any], code: str) -> None:
    assert refusal(product, **row) == code


@pytest.mark.parametrize("row", [None, 1, "view", [], float("inf")])
def test_a_row_must_be_an_object(product: Product, row: object) -> None:
    assert check_rows([row]).rejected[0].code == "not_an_object"


def test_a_refused_row_takes_no_other_with_it(product: Product) -> None:
    good = {"item": product.pk, "kind": "view"}
    checked = check_rows([good, {**good, "item": "no key"}, None, good, {**good, "kind": "x"}])
    assert len(checked.drafts) == 2
    assert [row.index for row in checked.rejected] == [1, 2, 4]


def test_a_sender_may_be_held_to_some_kinds(product: Product) -> None:
    rows = [{"item": product.pk, "kind": kind} for kind in ("view", "purchase")]
    checked = check_rows(rows, kinds=("view", "click"))
    assert [row.code for row in checked.rejected] == ["forbidden_kind"]
    assert len(checked.drafts) == 1


def test_a_wrong_clock_is_set_right(product: Product) -> None:
    """The browser's clock is two years fast; it says so by the time at which it sends."""
    fast = timedelta(days=730)
    at = timezone.now() - timedelta(minutes=1)
    row = {"item": product.pk, "kind": "view", "at": (at + fast).isoformat()}
    assert check_rows([row]).rejected[0].code == "in_future"
    clock = clock_of(timezone.now() + fast)
    (draft,) = check_rows([row], clock=clock).drafts
    assert clock.skew_seconds == -fast.total_seconds()
    assert abs(draft.at - at) < timedelta(seconds=1)


def test_nothing_is_stored_as_newer_than_now(product: Product) -> None:
    soon = timezone.now() + timedelta(minutes=4)
    assert one(product, at=soon.isoformat()).at <= timezone.now()


def test_the_age_limit_is_a_setting(product: Product, settings: Any) -> None:
    old: datetime = timezone.now() - timedelta(days=40)
    assert refusal(product, at=old.isoformat()) == "too_old"
    settings.RECOMMENDER_MAX_EVENT_AGE_DAYS = 41
    assert one(product, at=old.isoformat()).at.date() == old.date()


# --- ids that lie in a month


def id_at(moment: datetime) -> UUID:
    return uuid7(nanoseconds=int(moment.timestamp() * 1e9))


def test_an_event_without_an_id_gets_one_of_its_own_time(product: Product) -> None:
    at = timezone.now() - timedelta(days=3)
    assert milliseconds_of(one(product, at=at.isoformat()).id) == int(at.timestamp() * 1_000)


@pytest.mark.parametrize("days", [-900, -40, 2, 900])
def test_a_clock_that_cannot_be_right_places_no_event_in_a_month(product: Product, days: int) -> None:
    key = id_at(timezone.now() + timedelta(days=days))
    draft = one(product, id=str(key))
    assert (draft.id, draft.twin) == (undated(key), key)


@pytest.mark.parametrize("days", [-30, 0, 0.5])
def test_a_clock_that_may_be_right_does(product: Product, days: float) -> None:
    key = id_at(timezone.now() + timedelta(days=days))
    draft = one(product, id=str(key))
    assert (draft.id, draft.twin) == (key, undated(key))


# --- two parsers, one judgement

values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
near_misses = st.sampled_from(
    ["view", "VIEW", "2026-11-24T12:00:00Z", "2026-11-24T12:00:00", "1", 1, 10**30, str(uuid7())]
)
rows = st.dictionaries(
    st.sampled_from(["id", "item", "kind", "at", "quantity", "value_cents", "token", "source"]), values | near_misses
)


@settings(max_examples=200, deadline=None)
@given(row=rows | values)
def test_a_row_is_judged_the_same_as_json_and_as_a_mapping(row: Any) -> None:
    clock = clock_of()
    as_json = check_rows([json.dumps(row).encode()], clock=clock)
    as_mapping = check_rows([json.loads(json.dumps(row))], clock=clock)
    assert [each.code for each in as_json.rejected] == [each.code for each in as_mapping.rejected]
    for left, right in zip(as_json.drafts, as_mapping.drafts, strict=True):
        fields = ("item", "kind", "at", "quantity", "value_cents", "token")
        assert [getattr(left, name) for name in fields] == [getattr(right, name) for name in fields]


def test_what_a_sender_may_not_say_is_not_heard(product: Product) -> None:
    """Columns of the table that are the server's to fill."""
    forged = {
        "source": 2,
        "visitor_id": 1,
        "doubt": 0,
        "impression": {"slot": 1},
        "received_at": "2020-01-01T00:00:00Z",
    }
    assert set(Draft.__struct_fields__) & set(forged) == set()
    assert one(product, **forged).quantity == 1
