"""The page of the data quality report: findings with a light and advice, columns a day, reached from both lists."""

import re
from datetime import date

import pytest
from django.test import Client

from recommender.admin.charts import column_chart
from recommender.models import Event, LedgerEntry, Visitor
from recommender.quality import measure
from tests.admin.conftest import StaffClient
from tests.quality.conftest import Add, add, products, shop  # noqa: F401  fixtures
from tests.worlds import make_event

PAGE = "/admin/recommender/ledgerentry/quality/"


def body(client: Client, **query: str) -> str:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    shown = response.content.decode()
    return shown[shown.index('<div class="recommender">') : shown.index("<!-- END Content -->")]


def test_it_shows_findings_and_columns(admin_client: Client, shop: Visitor) -> None:  # noqa: F811
    shown = body(admin_client)
    assert shown.count("recommender-badge--green") == 16 and "recommender-badge--red" not in shown
    assert shown.count("<svg") == 2 and shown.count("<rect") == 2 * 32  # views and clicks
    assert "style=" not in shown and "<script" not in shown


def test_what_is_wrong_comes_with_advice(admin_client: Client, db: None) -> None:
    shown = body(admin_client)
    assert "recommender-badge--red" in shown and "Nothing arrives" in shown


def test_days_can_be_chosen_and_nonsense_is_the_default(admin_client: Client, shop: Visitor) -> None:  # noqa: F811
    assert "in 7 days" in body(admin_client, days="7")
    for nonsense in ("8", "x", "-7", "9" * 99):
        assert "in 31 days" in body(admin_client, days=nonsense)


def test_days_stand_in_order(admin_client: Client, db: None) -> None:
    days = re.search(r'<nav aria-label="Days">(.*?)</nav>', body(admin_client), re.DOTALL)
    assert days and re.findall(r"(\d+) days", days[1]) == ["7", "31", "92"]


def test_large_numbers_are_grouped_in_what_a_chart_says() -> None:
    chart = column_chart("Purchases", ["1 Nov", "2 Nov"], [1_000_000, 439_401])
    assert "1,439,401 from 1 Nov" in chart and "2 Nov: 439,401" in chart and "at most 1,000,000 a day" in chart


def test_the_pages_of_events_and_of_the_ledger_lead_there(admin_client: Client, db: None) -> None:
    make_event(Visitor.objects.create(), 1)
    for page in ("event", "ledgerentry"):
        assert PAGE in admin_client.get(f"/admin/recommender/{page}/").content.decode()


def test_an_entry_of_the_ledger_is_a_page_that_nobody_edits(admin_client: Client, db: None) -> None:
    counts = dict.fromkeys(("received", "stored", "duplicate", "quarantined", "refused"), 0)
    entry = LedgerEntry.objects.create(day=date(2026, 11, 1), source=Event.Source.BEACON, **counts)
    page = admin_client.get(f"/admin/recommender/ledgerentry/{entry.pk}/change/")
    assert page.status_code == 200 and b'name="_save"' not in page.content


def test_who_may_not_see_the_ledger_may_not_see_it(staff_client: StaffClient) -> None:
    client = staff_client("view_event")
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/recommender/event/").content.decode()


def test_a_database_that_takes_too_long_is_said_so(
    admin_client: Client,
    shop: Visitor,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = "SELECT 1, 2 FROM pg_sleep(5), {events} WHERE {since} < {until} OR {bounds} IS NULL"
    monkeypatch.setattr(measure, "STATEMENT_MS", 50)
    monkeypatch.setattr(measure, "_SKEW", slow)
    assert "ask for fewer days" in body(admin_client)
    assert Event.objects.count() == 104


@pytest.mark.parametrize(("page", "name"), [("rule", "name"), ("event", "id"), ("quarantinedevent", "payload")])
def test_a_filter_that_no_text_can_hold_leads_to_the_list(admin_client: Client, db: None, page: str, name: str) -> None:
    answer = admin_client.get(f"/admin/recommender/{page}/", {name: "\0"}, follow=True)
    assert answer.status_code == 200 and answer.redirect_chain
