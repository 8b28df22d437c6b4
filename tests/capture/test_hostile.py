"""Payloads that were made to hurt: no 500, no row of anybody else lost, nothing stored that the server decides."""

import gzip
import json
from typing import Any

import pytest
from django.test import Client
from uuid_utils.compat import uuid7

from recommender.capture import ledger
from recommender.capture.items import _remembered
from recommender.models import Event, QuarantinedEvent
from shop.models import Product

URL = "/recommender/events/"
GOOD = '{"item": %(item)d, "kind": "view", "id": "%(id)s"}'

# A row's JSON as it stands in the body, and what becomes of it; the good rows around it are stored.
ROWS: dict[str, tuple[str, str]] = {
    "NUL": (r'{"item": "\u0000", "kind": "view"}', "unknown_item"),
    "NUL in a kind": (r'{"item": 1, "kind": "view\u0000"}', "unknown_kind"),
    "lone surrogate": (r'{"item": "\ud800", "kind": "view"}', "unknown_item"),
    "half a pair, twice": (r'{"item": "\udc00\ud800", "kind": "\udfff"}', "unknown_item"),
    "140,000-digit number": ('{"item": ' + "9" * 140_000 + ', "kind": "view"}', "unknown_item"),
    "140,000-digit quantity": ('{"item": 1, "kind": "view", "quantity": ' + "9" * 140_000 + "}", "bad_quantity"),
    "a number of 1e400": ('{"item": 1, "kind": "view", "value_cents": 1e400}', "bad_value"),
    "NaN": ('{"item": NaN, "kind": "view"}', "unknown_item"),
    "Infinity": ('{"item": 1, "kind": "view", "quantity": -Infinity}', "bad_quantity"),
    "wrong types": ('{"item": [], "kind": {}, "id": 7, "at": true, "quantity": "1"}', "bad_time"),
    "no object": ("[[[]]]", "not_an_object"),
    "null": ("null", "not_an_object"),
    "another row as text": ('"{\\"item\\": 1}"', "not_an_object"),
    "an id of another version": ('{"item": 1, "kind": "view", "id": "00000000-0000-4000-8000-000000000000"}', "bad_id"),
    "the last of all times": ('{"item": 1, "kind": "view", "at": "9999-12-31T23:59:59.999999-23:59"}', "in_future"),
    "the first of all times": ('{"item": 1, "kind": "view", "at": "0001-01-01T00:00:00+23:59"}', "too_old"),
    "SQL": ('{"item": "1; DROP TABLE recommender_event; --", "kind": "view"}', "unknown_item"),
    "a row of 60 KB": ('{"item": 1, "kind": "x", "token": "' + "x" * 60_000 + '"}', "unknown_kind"),
    "bidi and zero width": ('{"item": "\u202e\u200b", "kind": "view"}', "unknown_item"),
    "__proto__": ('{"__proto__": {"kind": "view"}, "constructor": 1}', "unknown_item"),
}


def send(client: Client, body: bytes, **headers: Any) -> Any:
    return client.post(URL, body, content_type="application/json", **headers)


@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_row_costs_no_other(client: Client, product: Product, name: str) -> None:
    hostile, code = ROWS[name]
    good = [GOOD % {"item": product.pk, "id": uuid7()} for _ in range(2)]
    body = f'{{"events": [{good[0]}, {hostile}, {good[1]}]}}'
    answer = send(client, body.encode())
    assert answer.status_code == 202
    rejected = answer.json()["quarantined"] + answer.json()["refused"]
    assert [(row["index"], row["code"]) for row in rejected] == [(1, code)]
    assert Event.objects.count() == answer.json()["stored"] == 2
    assert [line.difference for line in ledger.lines()] == [0]


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"\xc0\xaf", "bad_json"), (b"\xff", "bad_json"), (b"\xed\xa0\x80", "unknown_item")],
    ids=["overlong", "no UTF-8", "surrogate"],
)
def test_bytes_that_are_no_text_cost_no_other_row(client: Client, product: Product, text: bytes, code: str) -> None:
    good = (GOOD % {"item": product.pk, "id": uuid7()}).encode()
    answer = send(client, b'{"events": [' + good + b', {"item": "' + text + b'", "kind": "view"}]}').json()
    assert (answer["stored"], [row["code"] for row in answer["quarantined"]]) == (1, [code])
    assert QuarantinedEvent.objects.get().payload.startswith('{"item": "\\x')


@pytest.mark.parametrize(
    "body",
    [
        b'{"events": ' + b"[" * 7_000 + b"]" * 7_000 + b"}",
        b'{"events": [' + b'{"a":' * 7_000 + b"1" + b"}" * 7_000 + b"]}",
        b'{"events": [], "sent_at": ' + b"9" * 140_000 + b"}",
        b'\xff\xfe{"events": []}',
        b'{"events": [1',
        b'{"events": [1]} trailing',
        b'{"events": [,]}',
        b'{"events": {"0": {"item": 1, "kind": "view"}}}',
        b'\x00{"events": []}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_hostile_body_is_a_clear_error(client: Client, db: None, body: bytes) -> None:
    answer = send(client, body)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("bad_json", "bad_shape", "bad_sent_at")


def test_a_compressed_bomb_is_not_opened(client: Client, db: None) -> None:
    bomb = gzip.compress(b'{"events": [' + b" " * 50_000_000 + b"]}")
    answer = client.post(URL, bomb, content_type="application/json", headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")


def test_long_keys_are_not_remembered(client: Client, product: Product) -> None:
    """Anybody may send a number behind a quarter of a million spaces, another one each time."""
    _remembered.cache_clear()
    row = {"item": " " * 100_000 + str(product.pk), "kind": "view"}
    assert send(client, json.dumps({"events": [row, {"item": 10**80, "kind": "view"}]}).encode()).json()["stored"] == 1
    assert _remembered.cache_info().currsize == 0
    assert send(client, json.dumps({"events": [{"item": product.pk, "kind": "view"}]}).encode()).json()["stored"] == 1
    assert _remembered.cache_info().currsize == 1


def test_the_last_of_a_repeated_name_counts(client: Client, product: Product) -> None:
    row = f'{{"item": 987654321, "kind": "x", "kind": "view", "item": {product.pk}}}'
    assert send(client, f'{{"events": [7], "events": [{row}]}}'.encode()).json()["stored"] == 1
    assert Event.objects.get().item == product


def test_what_the_server_decides_cannot_be_sent(client: Client, product: Product) -> None:
    forged = {
        "source": Event.Source.SHOP,
        "visitor_id": 1,
        "visitor": "x",
        "doubt": 0,
        "impression": {"slot": 1},
        "received_at": "2020-01-01T00:00:00Z",
        "clock_skew_seconds": 99,
        "item_id": 1,
        "raw": "x",
        "twin": str(uuid7()),
        "index": 7,
    }
    body = {"events": [{"item": product.pk, "kind": "view", **forged}], **forged, "received": 99, "is_browser": False}
    assert send(client, json.dumps(body).encode()).json()["stored"] == 1
    event = Event.objects.get()
    assert (event.source, event.impression, event.clock_skew_seconds) == (Event.Source.BEACON, None, None)
    assert event.received_at.year > 2020
