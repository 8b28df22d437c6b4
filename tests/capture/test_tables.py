"""Columns of a log are as narrow as their numbers allow, and never narrower."""

import numpy as np
import pytest

from recommender.capture.tables import narrowest

LARGEST = 2**31 - 1


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ([], np.int32),
        ([0, LARGEST], np.int32),
        ([-LARGEST - 1], np.int32),
        ([LARGEST + 1], np.int64),
        ([-LARGEST - 2, 0], np.int64),
    ],
)
def test_32_bits_where_they_hold_every_number(numbers: list[int], dtype: type) -> None:
    found = narrowest(np.array(numbers, dtype=">i8"))
    assert found.dtype == dtype
    assert found.dtype.isnative
    assert found.tolist() == numbers


def test_text_stays_what_it_is() -> None:
    keys = np.array(["b", "a"])
    assert narrowest(keys) is keys
