import numpy as np
import pytest

from recommender.dataset.distinct import distinct


@pytest.mark.parametrize("numbers", [[], [7], [3, 1, 3, 2, 1], [-5, -5, 0, 2**62]])
def test_each_number_once_and_ascending(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))
