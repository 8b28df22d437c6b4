import numpy as np
import pytest

from recommender.capture import binary_copy

FIELDS = {"key": binary_copy.INT8, "name": binary_copy.UUID, "share": binary_copy.REAL}


def test_packed_rows_come_back_the_same() -> None:
    columns = {
        "key": np.array([-1, 2**62]),
        "name": np.array([bytes(16), bytes(range(16))], dtype="V16"),
        "share": np.array([0.5, -3.0]),
    }
    rows = binary_copy.unpack(FIELDS, binary_copy.pack(FIELDS, columns))
    for name, values in columns.items():
        assert rows[name].tolist() == values.tolist()


def test_no_rows_are_a_stream_too() -> None:
    empty = {"key": [], "name": np.array([], dtype="V16"), "share": []}
    assert len(binary_copy.unpack(FIELDS, binary_copy.pack(FIELDS, empty))) == 0


def test_a_stream_of_other_rows_is_refused() -> None:
    stream = binary_copy.pack({"key": binary_copy.INT4}, {"key": [1, 2]})
    with pytest.raises(ValueError, match="not a binary COPY of rows with these fields"):
        binary_copy.unpack({"key": binary_copy.INT8}, stream)


def test_a_null_is_refused() -> None:
    null = b"\0\1\xff\xff\xff\xff"
    value = b"\0\1" + b"\0\0\0\4" + b"\0\0\0\7"
    padded = binary_copy.HEADER + null + value[:4] + value + binary_copy.TRAILER
    with pytest.raises(ValueError, match="nulls"):
        binary_copy.unpack({"key": binary_copy.INT4}, padded)
