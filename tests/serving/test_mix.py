import numpy as np
import pytest

from recommender.serving.personal import mix

ORDER = [0, 1, 2, 3, 4, 5, 6, 7]
REPEATS = np.array([True, True, True, True, False, False, False, False])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0.5, [0, 4, 1, 5, 2, 6, 3, 7]),
        (0.25, [0, 4, 5, 6, 1, 7, 2, 3]),
        (0.0, [4, 5, 6, 7, 0, 1, 2, 3]),
    ],
)
def test_repeats_keep_to_their_share_of_every_beginning(share: float, expected: list[int]) -> None:
    assert mix(ORDER, REPEATS, share) == expected


def test_a_better_discovery_keeps_its_place() -> None:
    assert mix([4, 0, 5, 1], REPEATS, 1.0) == [4, 0, 5, 1]


@pytest.mark.parametrize("is_repeat", [np.zeros(8, dtype=bool), np.ones(8, dtype=bool)])
def test_without_both_kinds_the_order_stays(is_repeat: np.ndarray) -> None:
    assert mix(ORDER, is_repeat, 0.5) == ORDER
