import numpy as np
import pytest

from recommender.dataset.cold_items import ColdItems
from recommender.dataset.ranking_features import LINKED, LINKS
from recommender.index.nearest import NUMBERED
from recommender.index.reading import reading
from recommender.serving import candidates
from recommender.serving.candidates import Linked, retrieve
from tests.tiny_tables import DIM
from tests.worlds import make_products, publish_tiny_version

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


@pytest.mark.django_db
@pytest.mark.parametrize("is_known", [True, False])
def test_what_nobody_has_taken_is_a_candidate(is_known: bool, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RECOMMENDER_CANDIDATES = 1
    monkeypatch.setattr(candidates, "POPULAR_CANDIDATES", 0)
    products = make_products(6)
    version = publish_tiny_version(products)
    nowhere = Linked(np.zeros(0, np.int64), np.zeros((0, len(LINKS)), np.float32))
    cold = ColdItems(np.array([5]), np.ones((1, DIM), np.float32)) if is_known else None
    with reading(neighbours=1):
        found = retrieve(version, np.eye(DIM, dtype=np.float32)[0], nowhere, (), (), cold=cold)
    assert (products[4].pk in found.item) == is_known  # row 5, and not the nearest
    assert found.found.get(NUMBERED, 0) == is_known
