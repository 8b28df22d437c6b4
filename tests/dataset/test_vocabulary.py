import numpy as np
import pytest

from recommender.dataset.vocabulary import PADDING, Vocabulary


@pytest.mark.parametrize("keys", [np.array([30, 10, 20, 10]), np.array(["c", "a", "b", "a"])])
def test_rows_start_after_padding_in_key_order(keys: np.ndarray) -> None:
    assert Vocabulary.of(keys).rows(keys).tolist() == [3, 1, 2, 1]


def test_an_unknown_key_is_padding() -> None:
    assert Vocabulary.of(np.array([10, 20])).rows(np.array([5, 15, 25])).tolist() == [PADDING] * 3


def test_an_empty_vocabulary_knows_nothing() -> None:
    empty = Vocabulary.of(np.zeros(0, dtype=np.int64))
    assert len(empty) == 1
    assert empty.rows(np.array([1])).tolist() == [PADDING]
