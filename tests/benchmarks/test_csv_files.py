import gzip

import numpy as np
import pytest

from benchmarks.csv_files import UnusableFile, cell_values, read_interactions, read_items
from benchmarks.datasets import from_csv
from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW


def write(folder, name: str, text: str):
    path = folder / name
    opener = gzip.open if name.endswith(".gz") else open
    with opener(path, "wt") as file:
        file.write(text)
    return path


@pytest.mark.parametrize(
    "times",
    [
        ("2020-01-01", "2020-01-02"),
        ("2020-01-01T00:00:00Z", "2020-01-02T01:00:00+01:00"),
        ("20200101", "20200102"),
        ("1577836800", "1577923200"),
        ("1577836800000", "1577923200000"),
        ("1577836800.5", "1577923200.0"),
    ],
)
def test_times_become_seconds(tmp_path, times) -> None:
    path = write(tmp_path, "events.csv", f"user,item,timestamp\na,1,{times[1]}\nb,2,{times[0]}\n")

    found = read_interactions(path)

    assert found.at.tolist() == [1577836800, 1577923200]
    assert found.user.tolist() == ["b", "a"]
    assert found.item.tolist() == [2, 1]
    assert found.has_time


def test_positions_order_events_where_there_is_no_time(tmp_path) -> None:
    path = write(tmp_path, "events.csv.gz", "user,item,pos\n1,5,1\n1,4,0\n")

    found = read_interactions(path)

    assert (found.item.tolist(), found.has_time) == ([4, 5], False)


def test_kinds_are_read_from_words_and_others_are_views(tmp_path, capsys) -> None:
    rows = [("view", VIEW), ("addtocart", CART), ("transaction", PURCHASE), ("wink", VIEW), ("remove_from_cart", VIEW)]
    text = "".join(f"1,{number},{number},{word}\n" for number, (word, _) in enumerate(rows))

    found = read_interactions(write(tmp_path, "events.csv", "user,item,timestamp,kind\n" + text))

    assert found.kind.tolist() == [kind for _, kind in rows]
    assert "remove_from_cart, wink" in capsys.readouterr().err


def test_kinds_are_whole_words_and_what_is_taken_back_is_left_out(tmp_path, capsys) -> None:
    rows = [
        ("Purchased", PURCHASE),
        ("productPurchase", PURCHASE),
        ("orders", PURCHASE),
        ("add_to_cart", CART),
        ("clickout item", CLICK),
        ("address", VIEW),
        ("border", VIEW),
        ("cancelled order", None),
        ("order_canceled", None),
        ("refund purchase", None),
        ("returned", None),
    ]
    text = "".join(f"1,{number},{number},{word}\n" for number, (word, _) in enumerate(rows))

    found = read_interactions(write(tmp_path, "events.csv", "user,item,timestamp,kind\n" + text))

    assert found.kind.tolist() == [kind for _, kind in rows if kind is not None]
    said = capsys.readouterr().err
    assert "taken as views: address, border\n" in said
    assert "4 rows left out: cancelled order, order_canceled, refund purchase, returned\n" in said


def test_incomplete_rows_and_doubles_are_left_out_and_counted(tmp_path, capsys) -> None:
    path = write(tmp_path, "events.csv", "user,item,timestamp\n1,1,5\n1,1,5\n,2,5\n1,,5\n1,3,\n1,2,6\n")

    assert read_interactions(path).item.tolist() == [1, 2]
    assert "4 of 6 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,thing,timestamp\n1,1,1\n", "needs a column item; it has user, thing, timestamp"),
        ("user,item\n1,1\n", "needs a column timestamp"),
        ("user,item,timestamp\n1,1,yesterday-ish\n", "ISO times or epoch seconds"),
        ("user,item,timestamp\n,,\n", "ISO times or epoch seconds"),
        ("", "no CSV file"),
    ],
)
def test_errors_name_the_fix(tmp_path, text, message) -> None:
    with pytest.raises(UnusableFile, match=message):
        read_interactions(write(tmp_path, "events.csv", text))


def test_cells_with_several_values_become_lists() -> None:
    assert cell_values(["a|b", "c", ""]) == [["a", "b"], ["c"], []]
    assert cell_values(["3 17 21", "3"]) == [["3", "17", "21"], ["3"]]
    assert cell_values(["['red', 'blue']", "['red']"]) == [["red", "blue"], ["red"]]
    assert cell_values(["deep red", "blue"]) == [["deep red"], ["blue"]]


def test_keys_of_their_own_are_no_attributes_and_long_ones_are_text(tmp_path) -> None:
    rows = "".join(f"{n},sku{n},soft red shoe number {n},shoes,\n" for n in range(40))
    items = read_items(write(tmp_path, "items.csv", "item,sku,description,category,title\n" + rows))

    assert list(items.attributes) == ["category"]
    assert items.text[3] == "soft red shoe number 3"
    assert items.title[3] == ""


def test_items_of_both_files_are_in_the_catalogue(tmp_path) -> None:
    events = write(tmp_path, "shop.csv", "user,item,timestamp\n1,10,1\n1,x,2\n")
    items = write(tmp_path, "items.csv", "item,title,colour\n10,Ten,red\n10,Double,red\n30,Thirty,blue\n")

    data = from_csv(events, items)

    assert data.name == "shop"
    assert data.items.item.tolist() == ["10", "30", "x"]
    assert data.items.title == ["Ten", "Thirty", ""]
    assert data.items.attributes["colour"] == ["red", "blue", ""]
    assert np.isin(data.log.item, data.items.item).all()


def test_without_an_items_file_no_item_is_known_before_it_is_taken(tmp_path) -> None:
    events = write(tmp_path, "shop.csv", "user,item,timestamp\n1,10,1\n1,x,2\n")
    items = write(tmp_path, "items.csv", "item,title\n10,Ten\n30,Thirty\n")

    alone, both = from_csv(events).is_listed, from_csv(events, items).is_listed

    assert alone is not None
    assert both is not None
    assert alone.tolist() == [False, False]
    assert both.tolist() == [True, True, False]  # 10, 30, x


def test_items_of_other_keys_than_the_events_are_refused(tmp_path) -> None:
    events = write(tmp_path, "shop.csv", "user,item,timestamp\n1,1,1\n1,2,2\n")
    items = write(tmp_path, "items.csv", "item,title\n0001,One\n0002,Two\n")

    with pytest.raises(UnusableFile, match=r"0 of 2 items occur in the events; keys must be written alike .*0001.* 1 "):
        from_csv(events, items)


def test_the_share_of_items_that_events_name_is_said(tmp_path, capsys) -> None:
    events = write(tmp_path, "shop.csv", "user,item,timestamp\n1,1,1\n1,2,2\n1,9,3\n1,8,4\n")
    items = write(tmp_path, "items.csv", "item,title\n1,One\n2,Two\n3,Three\n")

    from_csv(events, items)

    assert "items.csv: 2 of 3 items occur in the events, which name 2 more" in capsys.readouterr().err
