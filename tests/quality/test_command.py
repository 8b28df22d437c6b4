import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recommender.models import Event, Visitor


def output_of(*arguments: str) -> str:
    out = io.StringIO()
    call_command("recommender_quality", *arguments, stdout=out)
    return out.getvalue()


def test_a_table_by_day_and_kind_and_a_light_each(shop: Visitor) -> None:
    shown = output_of()
    header, *rows = shown.splitlines()
    assert header.split() == ["day", "view", "click", "cart", "purchase"]
    volumes = [line.split() for line in rows if line.startswith("20")]
    assert [sum(int(row[place]) for row in volumes) for place in (1, 2, 3, 4)] == [100, 4, 0, 0]
    assert "green   Duplicates: 0 % of the received rows were stored already." in shown


def test_status_1_and_advice_where_something_is_red(db: None) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("recommender_quality", stdout=out)
    assert ended.value.returncode == 1
    assert "red     Events: 0 events in 31 days." in out.getvalue()
    assert "        Nothing arrives:" in out.getvalue()


def test_everything_as_json(shop: Visitor) -> None:
    found: dict[str, Any] = json.loads(output_of("--json", "--days", "7"))
    assert found["days"] == 7
    assert {each["light"] for each in found["findings"]} == {"green"}
    assert sum(day.get("view", 0) for day in found["volumes"].values()) == 100
    assert found["doubts"] == {str(Event.Doubt.NONE.value): 104}
    assert found["catalogue"]["items"] == 4


@pytest.mark.parametrize("days", ["0", "-1", "x"])
def test_days_are_a_number(days: str, db: None) -> None:
    with pytest.raises(CommandError, match="from 1 to"):
        output_of(f"--days={days}")
