import numpy as np

from recommender.capture.tables import ItemTable
from recommender.dataset.item_features import AttributeCodes


def test_the_most_frequent_value_has_code_one_and_a_missing_one_zero() -> None:
    items = ItemTable(np.arange(4), list("abcd"), list("abcd"), {"brand": ["x", "y", "y", ""]})
    coded = AttributeCodes.of(items)
    assert coded.codes(items)[:, 0].tolist() == [2, 1, 1, 0]
    assert coded.sizes == (3,)


def test_an_attribute_without_values_is_left_out() -> None:
    items = ItemTable(np.arange(2), ["a", "b"], ["a", "b"], {"brand": ["", ""]})
    assert AttributeCodes.of(items).sizes == ()


def test_prices_become_ordered_buckets_and_an_unknown_one_zero() -> None:
    cents = np.array([np.nan, *range(100, 2_100, 100)], dtype=np.float32)
    items = ItemTable(np.arange(21), ["a"] * 21, ["a"] * 21, {}, cents)
    codes = AttributeCodes.of(items).codes(items)[:, 0]
    assert codes[0] == 0
    assert (np.diff(codes[1:]) >= 0).all()
    assert codes[1] >= 1


def test_an_item_that_comes_later_gets_the_codes_of_the_catalogue() -> None:
    cents = np.array([100, 200, 300, 400], dtype=np.float32)
    items = ItemTable(np.arange(4), list("abcd"), list("abcd"), {"brand": ["x", "y", "y", ""]}, cents)
    coded = AttributeCodes.of(items)
    later = ItemTable(
        np.arange(3), list("efg"), list("efg"), {"brand": ["y", "new", ""]}, cents[[3, 0, 0]] * [1, 1, np.nan]
    )
    assert coded.codes(later)[:, 0].tolist() == [1, 0, 0]
    assert coded.codes(later)[:, 1].tolist() == [coded.codes(items)[3, 1], coded.codes(items)[0, 1], 0]
