import numpy as np
import pytest

from recommender.capture.tables import PURCHASE, VIEW
from recommender.dataset.graph import item_pairs, visitor_item_matrix
from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from tests.event_logs import DAY, START, log_of

KINDS = np.array([0.0, 0.0, 0.0, 0.0, 1.0], dtype=np.float32)


def test_a_purchase_loses_weight_with_its_age() -> None:
    items = Vocabulary(np.array([1]))
    log = log_of([(1, 1, PURCHASE, START - 30 * DAY), (1, 1, PURCHASE, START)])
    matrix = visitor_item_matrix(histories(log, items), len(items), START, 30.0, KINDS)
    assert matrix[0, 1] == pytest.approx(1 + np.exp(-1))


def together(buyers: int) -> list[tuple[int, int | str, int, int]]:
    return [(visitor, item, PURCHASE, START) for visitor in range(1, buyers + 1) for item in (1, 2)]


@pytest.mark.parametrize(("buyers", "found"), [(4, False), (5, True)])
def test_a_pair_needs_five_different_buyers(buyers: int, found: bool) -> None:
    items = Vocabulary(np.array([1, 2]))
    pairs = item_pairs(histories(log_of(together(buyers)), items), len(items), min_buyers=5)
    assert sorted(zip(pairs.item.tolist(), pairs.other.tolist(), strict=True)) == ([(1, 2), (2, 1)] if found else [])
    assert (pairs.support == buyers).all()


def test_one_buyer_a_hundred_times_makes_no_pair() -> None:
    items = Vocabulary(np.array([1, 2]))
    rows = [(1, item, PURCHASE, START + day * DAY) for day in range(100) for item in (1, 2)]
    assert len(item_pairs(histories(log_of(rows), items), len(items), min_buyers=5).item) == 0


def test_a_buyer_supports_a_pair_once_a_day() -> None:
    items = Vocabulary(np.array([1, 2, 3]))
    once = [*together(6), *((visitor, item, PURCHASE, START) for visitor in range(7, 13) for item in (1, 3))]
    again = [(1, item, PURCHASE, START + 60 * order) for order in range(1, 50) for item in (1, 2)]
    for rows in (once, sorted(once + again, key=lambda row: row[3])):
        pairs = item_pairs(histories(log_of(rows), items), len(items), min_buyers=5)
        assert dict(zip(pairs.other[pairs.item == 1].tolist(), pairs.score[pairs.item == 1].tolist(), strict=True)) == {
            2: pytest.approx(6 / np.sqrt(22 * 16)),
            3: pytest.approx(6 / np.sqrt(22 * 16)),
        }


def test_views_at_one_moment_are_nothing_bought_together() -> None:
    items = Vocabulary(np.array([1, 2]))
    rows = [(visitor, item, VIEW, START) for visitor in range(50) for item in (1, 2)]
    assert len(item_pairs(histories(log_of(rows), items), len(items), min_buyers=5).item) == 0


def test_the_closest_partner_comes_first() -> None:
    items = Vocabulary(np.array([1, 2, 3]))
    rows = [
        (visitor, item, PURCHASE, START) for visitor in range(20) for item in ((1, 2, 3) if visitor < 6 else (1, 2))
    ]
    pairs = item_pairs(histories(log_of(rows), items), len(items), min_buyers=5)
    assert pairs.other[pairs.item == 1].tolist() == [2, 3]
    assert (np.diff(pairs.score[pairs.item == 1]) < 0).all()
