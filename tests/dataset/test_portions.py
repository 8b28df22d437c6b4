import numpy as np
import pytest

from recommender.dataset.portions import portions


@pytest.mark.parametrize("sizes", [[], [1], [9], [1, 2, 3, 4], [0, 0, 9, 0, 1, 1, 1], [9, 9, 9]])
def test_portions_are_all_of_it_in_order_and_no_larger_than_asked(sizes: list[int]) -> None:
    cut = list(portions(np.array(sizes, dtype=np.int64), 4))
    assert [size for few in cut for size in sizes[few]] == sizes
    assert all(sum(sizes[few]) <= 4 or few.stop - few.start == 1 for few in cut)
