import numpy as np
import pytest

from recommender.dataset.ranking_features import LINKED, LINKS
from recommender.serving.candidates import Linked

NOW, EVER = LINKS.index("ease_now"), LINKS.index("ease_ever")


@pytest.fixture
def newest() -> tuple[np.ndarray, np.ndarray]:
    strengths = np.zeros((2, len(LINKS)), np.float32)
    strengths[:, NOW], strengths[:, EVER] = [0.5, 0.0], [0.5, 0.7]
    return np.array([3, 7]), strengths


def test_the_whole_history_takes_the_place_of_the_newest_items(newest) -> None:
    linked = Linked(*newest, ever=(np.array([3, 5]), np.array([2.0, 1.0], np.float32)))
    found = linked.of(np.array([7, 5, 3, 9]))
    assert found[:, EVER].tolist() == [0.0, 1.0, 2.0, 0.0]
    assert found[:, NOW].tolist() == [0.0, 0.0, 0.5, 0.0]
    assert linked.strongest().tolist() == [3, 5]  # 7 was among the newest by nothing else


def test_without_it_the_newest_items_stand_for_all(newest) -> None:
    assert Linked(*newest).of(np.array([7]))[0, EVER] == np.float32(0.7)
    assert Linked(*newest).strongest().tolist() == [3, 7]


def test_of_all_that_a_history_leads_to_the_strongest_are_candidates(newest) -> None:
    rows = np.arange(100, 100 + 2 * LINKED)
    linked = Linked(*newest, ever=(rows, np.linspace(0.1, 1.0, len(rows)).astype(np.float32)))
    assert linked.strongest().tolist() == [3, *rows[LINKED:].tolist()]
