"""Lists for a mailing: whom they reach, what a row holds, and that clicks on them are counted."""

import csv
import io
import os
import stat
import sys
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client, override_settings

from recommender import mailing
from recommender.api_keys import create_key
from recommender.capture.bots import crawlers
from recommender.models import Event, Visitor
from recommender.privacy.erasure import erase
from shop.models import Product
from tests.worlds import make_event, make_listed_products

pytestmark = pytest.mark.django_db


@pytest.fixture
def products() -> list[Product]:
    return make_listed_products()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lists.csv"


def visitor_of(item: Product, **fields: Any) -> Visitor:
    visitor = Visitor.objects.create(**fields)
    make_event(visitor, item, 1)
    return visitor


def account_of(name: str, item: Product, **fields: Any) -> Visitor:
    return visitor_of(item, user=User.objects.create_user(name), **fields)


def export(file: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("recommender_export", "--output", str(file), *options, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_row_an_item_with_the_list_s_token_and_a_whole_address(products: list[Product], file: Path) -> None:
    account = account_of("household-1", products[4])
    browser = visitor_of(products[5])
    told = export(file, "--n", "3", "--base-url", "https://shop.example")
    rows = rows_of(file)
    assert [(row["visitor"], row["user"], row["slot"]) for row in rows] == [
        *((str(account.key), str(account.user_id), slot) for slot in "123"),
        *((str(browser.key), "", slot) for slot in "123"),
    ]
    first = Product.objects.get(pk=rows[0]["item"])
    assert rows[0]["url"] == f"https://shop.example{first.get_absolute_url()}"
    assert (rows[0]["title"], rows[0]["price_cents"], rows[0]["rung"]) == (
        first.name,
        str(first.price_cents),
        "personal",
    )
    assert rows[0]["token"] == rows[2]["token"] != rows[3]["token"]
    assert "2 lists" in told and "By rung: personal 2" in told and "0 without consent" in told


def test_a_click_on_an_exported_list_is_counted_for_it(products: list[Product], file: Path) -> None:
    account = account_of("household-1", products[4])
    export(file, "--n", "3")
    row = rows_of(file)[1]
    app = Client(headers={"authorization": f"Api-Key {create_key('mailer', ['events'])[1]}"})
    body = {"events": [{"item": row["item"], "kind": "click", "token": row["token"]}]}
    assert app.post(f"/recommender/events/?user={account.user_id}", body, "application/json").status_code == 202
    click = Event.objects.get(kind=Event.Kind.CLICK)
    assert (click.impression["placement"], click.impression["slot"]) == ("for_you", 2)


def test_whoever_did_not_agree_is_left_out_and_counted(products: list[Product], file: Path) -> None:
    account_of("no", products[0], consent=Visitor.Consent.NONE)
    visitor_of(products[0], consent=Visitor.Consent.SESSION)
    make_event(crawlers(), products[0])
    gone = account_of("gone", products[1])
    erase(gone)
    agreed = account_of("yes", products[2], consent=Visitor.Consent.FULL)
    unasked, browser = account_of("unasked", products[3]), visitor_of(products[4])
    assert "2 without consent" in export(file)
    assert {row["visitor"] for row in rows_of(file)} == {str(known.key) for known in (agreed, unasked, browser)}
    with override_settings(RECOMMENDER_CONSENT="none"):
        assert "3 without consent" in export(file)
    assert {row["visitor"] for row in rows_of(file)} == {str(known.key) for known in (agreed, browser)}


def test_whoever_is_erased_while_lists_are_made_is_not_in_the_file(
    products: list[Product], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = visitor_of(products[0]), visitor_of(products[1])
    real = mailing.recommend

    def while_being_erased(query: Any) -> Any:
        found = real(query)
        if query.visitor == goes:
            erase(goes)
        return found

    monkeypatch.setattr(mailing, "recommend", while_being_erased)
    assert "1 erased or withdrawn" in export(file)
    assert {row["visitor"] for row in rows_of(file)} == {str(stays.key)}


def test_users_only_and_segments_narrow_it_down(products: list[Product], file: Path) -> None:
    visitor_of(products[0])
    readers = [Group.objects.create(name=name) for name in ("newsletter", "offers")]
    reader, other = account_of("reader", products[1]), account_of("other", products[2])
    reader.user.groups.set(readers)
    export(file, "--users-only")
    assert {row["user"] for row in rows_of(file)} == {str(reader.user_id), str(other.user_id)}
    export(file, "--segment", "user__groups__pk__gt=0", "--n", "2")
    assert [(row["user"], row["slot"]) for row in rows_of(file)] == [(str(reader.user_id), slot) for slot in "12"]
    named = ("--segment", "user__groups__name=newsletter")
    assert "1 list in" in export(file, *named) and "0 lists" in export(
        file, *named, "--segment", "user__username=other"
    )


@pytest.mark.parametrize(
    "segment", ["nonsense=1", "user=soap", "created_at=soap", "=", "user__nonsense=1", "user__isnull=0"]
)
def test_a_wrong_segment_is_named(products: list[Product], file: Path, segment: str) -> None:
    with pytest.raises(CommandError, match="--segment"):
        export(file, "--segment", segment)
    assert not file.exists()


def test_many_batches_hold_everybody_once(products: list[Product], file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "VISITORS_AT_ONCE", 2)
    visitors = {str(visitor_of(product).key) for product in products[:5]}
    export(file, "--n", "1")
    assert sorted(row["visitor"] for row in rows_of(file)) == sorted(visitors)


def test_reasons_are_in_the_language_that_is_asked_for(products: list[Product], file: Path) -> None:
    visitor_of(products[4])
    export(file, "--language", "zh-hans")
    assert any("因为" in row["reason"] or "您" in row["reason"] for row in rows_of(file))


def test_the_file_is_whole_or_as_before_and_its_owner_s(
    products: list[Product], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor_of(products[0])
    export(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    monkeypatch.setattr(mailing, "recommend", lambda query: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(file)
    assert file.read_bytes() == before and os.listdir(file.parent) == [file.name]
    with pytest.raises(CommandError, match="cannot be written"):
        export(file.parent / "nowhere" / "lists.csv")


def test_parquet_holds_the_same(products: list[Product], tmp_path: Path) -> None:
    from pyarrow import parquet

    visitor_of(products[0])
    account_of("household-1", products[1])
    csv_file, parquet_file = tmp_path / "lists.csv", tmp_path / "lists.parquet"
    export(csv_file)
    export(parquet_file, "--format", "parquet")
    rows = parquet.read_table(parquet_file).to_pylist()
    texts = [
        {name: "" if value is None else str(value) for name, value in row.items() if name != "token"} for row in rows
    ]
    assert texts == [{name: value for name, value in row.items() if name != "token"} for row in rows_of(csv_file)]
    assert rows[0]["user"] is None and isinstance(rows[0]["slot"], int) and len(rows) > 2


def test_parquet_without_pyarrow_names_the_extra(
    products: list[Product], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CommandError, match=r"django-embedded-recommender\[parquet\]"):
        export(tmp_path / "lists.parquet", "--format", "parquet")
    assert os.listdir(tmp_path) == []


def test_a_length_beyond_the_limit_is_refused(file: Path) -> None:
    with pytest.raises(CommandError, match="--n is 1 to 100"):
        export(file, "--n", "101")


@pytest.mark.django_db(transaction=True)
@override_settings(RECOMMENDER_BUDGET_MS=250)
def test_a_database_that_is_slow_for_a_moment_costs_no_list(file: Path) -> None:
    products = make_listed_products()
    for number in range(8):
        account_of(f"household-{number}", products[number])
    with psycopg.connect(**connections["default"].get_connection_params()) as other:
        other.execute("LOCK TABLE recommender_event IN ACCESS EXCLUSIVE MODE")
        release = Timer(0.6, other.rollback)
        release.start()
        told = export(file, "--n", "3")
        release.join()
    assert "By rung: personal 8\n" in told
