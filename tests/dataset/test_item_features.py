import numpy as np

from recommender.capture.tables import ItemTable
from recommender.dataset.item_features import attribute_codes


def test_the_most_frequent_value_has_code_one_and_a_missing_one_zero() -> None:
    items = ItemTable(np.arange(4), list("abcd"), list("abcd"), {"brand": ["x", "y", "y", ""]})
    coded = attribute_codes(items)
    assert coded.codes[:, 0].tolist() == [2, 1, 1, 0]
    assert coded.sizes == (3,)


def test_an_attribute_without_values_is_left_out() -> None:
    items = ItemTable(np.arange(2), ["a", "b"], ["a", "b"], {"brand": ["", ""]})
    assert attribute_codes(items).names == ()


def test_prices_become_ordered_buckets_and_an_unknown_one_zero() -> None:
    cents = np.array([np.nan, *range(100, 2_100, 100)], dtype=np.float32)
    items = ItemTable(np.arange(21), ["a"] * 21, ["a"] * 21, {}, cents)
    codes = attribute_codes(items).codes[:, 0]
    assert codes[0] == 0
    assert (np.diff(codes[1:]) >= 0).all()
    assert codes[1] >= 1
