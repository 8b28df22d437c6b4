import gzip

import pytest

from benchmarks.csv_table import UnusableFile, read_table

TEXT = "user,item,timestamp\n1,2,3\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_shows_the_separator(tmp_path, separator) -> None:
    path = tmp_path / "items.csv"
    path.write_text(f'"item"{separator}"title, long"{separator}tags\n1{separator}"a{separator}b"{separator}x|y\n')

    table = read_table(path)

    assert list(table.columns) == ["item", "title, long", "tags"]
    assert table.iloc[0].tolist() == ["1", f"a{separator}b", "x|y"]


def test_rows_that_end_early_have_empty_cells(tmp_path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item,title,colour\n1,One,red\n2\n")

    assert read_table(path).iloc[1].tolist() == ["2", "", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"user,item,timestamp\n", "a header and no rows"),
        ("a.csv", b"user,item,timestamp\n1,20,1600000000,5\n2,30,1600000001,6\n", "more values in a row than names"),
        ("a.csv", b"user,item,timestamp\n1,20,1600000000\n2,30,1600000001,6\n", "no CSV file.*saw 4"),
        ("a.csv.gz", TEXT.encode(), "cannot be read as a .csv or .csv.gz"),
        ("a.csv.gz", gzip.compress(TEXT.encode() * 100)[:40], "cannot be read as a .csv or .csv.gz"),
        ("a.csv.gz", gzip.compress(TEXT.encode())[:12] + b"\xff" * 40, "cannot be read as a .csv or .csv.gz"),
    ],
    ids=["header only", "surplus values", "surplus values later", "no gzip", "cut off", "broken"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path, name, content, message) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnusableFile, match=message):
        read_table(tmp_path / name)


def test_a_folder_is_refused(tmp_path) -> None:
    with pytest.raises(UnusableFile, match="cannot be read as a .csv"):
        read_table(tmp_path)
