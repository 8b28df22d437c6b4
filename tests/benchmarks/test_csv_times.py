import pytest

from benchmarks.csv_files import read_interactions
from benchmarks.csv_table import UnusableFile


@pytest.fixture
def read(tmp_path):
    """Reads events of one user, items from 1 on, with these cells in the columns of this header."""

    def of(rows: list[str], header: str = "timestamp"):
        lines = [f"user,item,{header}", *(f"u,{number},{row}" for number, row in enumerate(rows, 1))]
        (tmp_path / "events.csv").write_text("\n".join(lines))
        return read_interactions(tmp_path / "events.csv")

    return of


@pytest.mark.parametrize(
    "rows",
    [
        ["01.03.2020", "13.04.2020 06:30"],
        ["1/3/2020", '"13/4/2020, 6:30:00"'],
        ["03/01/2020", "04/13/2020 6:30"],  # month first
        ["01-03-2020", "13-04-2020T06:30"],
        ["2020-03-01", "2020/04/13 06:30"],
        ["2020-03-01 00:00:00 UTC", "2020-04-13 06:30:00 UTC"],
        ["2020-03-01 12:00 AM", "2020-04-13 06:30 AM"],
        ["Mar 1 2020", "13 April 2020 06:30"],
    ],
)
def test_one_order_of_day_and_month_holds_for_the_whole_column(read, rows) -> None:
    found = read(rows)

    assert found.item.tolist() == [1, 2]
    assert found.at.tolist() == [1583020800, 1586759400]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["01/03/2020", "12/03/2020"], "none shows whether day or month is first; write ISO dates such as 2020-12-31"),
        (["01.03.2020", "01.04.2020"], "write ISO dates"),
        (["13/03/2020", "03/13/2020"], "some with the day first, some with the month; write ISO dates"),
        (["01/03/20", "13/03/20"], "write ISO times"),
    ],
)
def test_dates_that_can_be_read_in_two_ways_are_refused(read, rows, message) -> None:
    with pytest.raises(UnusableFile, match=message):
        read(rows)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("date,time", ["2020-09-13,12:26:40", "2020-09-14,00:00"]),
        ("time,date", ["12:26:40,20200913", "0:00:00,20200914"]),
        ("time,date", ["12:26:40 PM,13.09.2020", "12:00 am,14.09.2020"]),
        ("timestamp,time", ["1600000000,23:59:59", "1600041600,23:59:59"]),  # the first says both
    ],
)
def test_a_day_and_its_clock_are_one_time(read, header, rows) -> None:
    assert read(rows, header).at.tolist() == [1600000000, 1600041600]


def test_a_clock_without_a_day_is_refused(read) -> None:
    with pytest.raises(UnusableFile, match="'12:26:40' and no day; add a column date, or write ISO times"):
        read(["12:26:40", "13:00:00"], "time")


@pytest.mark.parametrize(
    "rows",
    [
        ["9999-12-31", "2020-01-01", "2020-01-02"],
        ["0001-01-01 00:00:00", "2020-01-01", "2020-01-02"],
        ["1e30", "1577836800", "1577923200"],
        ["9223372036854775807", "1577836800", "1577923200"],
        ["253402300799", "1577836800", "1577923200"],
    ],
)
def test_a_time_that_no_event_can_have_is_left_out_and_counted(read, capsys, rows) -> None:
    assert read(rows).at.tolist() == [1577836800, 1577923200]
    assert "1 of 3 times are outside of 1900 to 2200" in capsys.readouterr().err


@pytest.mark.parametrize("cells", [("A17", "B2"), ("", ""), ("2", "")])
def test_a_position_that_cannot_be_read_costs_no_row_that_has_a_time(read, cells) -> None:
    found = read([f"5,{cells[0]}", f"6,{cells[1]}"], "timestamp,order")

    assert found.at.tolist() == [5, 6]
    assert found.has_time
