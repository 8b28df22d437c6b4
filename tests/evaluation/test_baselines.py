import tracemalloc

import numpy as np
import pytest

from recommender.capture.tables import PURCHASE
from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.evaluation import baselines
from recommender.evaluation.baselines import PURCHASES, item_knn, own_decayed, popular, popularity
from tests.event_logs import DAY, START, camps, log_of

ITEMS = Vocabulary(np.arange(1, 41))


def test_popularity_counts_visitors_not_events() -> None:
    rows = [(1, 1, PURCHASE, START + minute) for minute in range(50)] + [(v, 2, PURCHASE, START + 60) for v in (2, 3)]
    grouped = histories(log_of(sorted(rows, key=lambda row: row[3])), ITEMS)
    counts = popularity(grouped, len(ITEMS), START)
    assert counts[2] > counts[1]


def test_visitors_who_come_every_day_make_no_best_seller() -> None:
    regulars = [(v, 1, PURCHASE, START + day * DAY) for v in (1, 2) for day in range(60)]
    others = [(v, 2, PURCHASE, START + 59 * DAY) for v in range(3, 7)]
    grouped = histories(log_of(sorted(regulars + others, key=lambda row: row[3])), ITEMS)
    counts = popularity(grouped, len(ITEMS), START + 59 * DAY)
    assert (counts[1], counts[2]) == (2, 4)


def test_item_knn_ranks_the_own_camp_first() -> None:
    grouped = histories(camps(), ITEMS)
    scores = item_knn(grouped, len(ITEMS))(np.array([0]))[0]
    own, other = scores[ITEMS.rows(np.arange(2, 41, 2))], scores[ITEMS.rows(np.arange(1, 41, 2))]
    camp_of_first_visitor = own if grouped.item[0] % 2 == 0 else other
    assert camp_of_first_visitor.min() > (other if camp_of_first_visitor is own else own).max()


def test_item_knn_sums_the_cosines_of_the_nearest_items(monkeypatch: pytest.MonkeyPatch) -> None:
    grouped = histories(camps(visitors=20, events=6), ITEMS)
    taken = np.zeros((20, len(ITEMS)))
    taken[grouped.owner, grouped.item] = 1
    unit = taken / np.sqrt(np.maximum(taken.sum(axis=0), 1))
    cosines = unit.T @ unit
    np.fill_diagonal(cosines, 0)
    everybody = np.arange(20)
    assert np.allclose(item_knn(grouped, len(ITEMS))(everybody), taken @ cosines, atol=1e-5)
    whole = item_knn(grouped, len(ITEMS), neighbours=3)(everybody)
    strongest = np.sort(cosines, axis=1)[:, -3:].sum(axis=1)
    assert np.allclose(whole.sum(axis=1), taken @ strongest, atol=1e-5)
    monkeypatch.setattr(baselines, "ENTRIES", 50)
    assert np.allclose(item_knn(grouped, len(ITEMS), neighbours=3)(everybody), whole)


def test_item_knn_needs_no_square_of_the_catalogue() -> None:
    items = 10_000
    rows = [(visitor, int(item), PURCHASE, START) for visitor in range(100) for item in range(visitor, items, 100)]
    grouped = histories(log_of(rows), Vocabulary(np.arange(items)))
    tracemalloc.start()
    item_knn(grouped, items + 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # a row of all cosines for a thousand items would be 80 MB


def test_own_decayed_prefers_what_was_bought_lately() -> None:
    grouped = histories(log_of([(1, 1, PURCHASE, START - 300 * DAY), (1, 2, PURCHASE, START)]), ITEMS)
    scores = own_decayed(grouped, len(ITEMS), START, PURCHASES)(np.array([0]))[0]
    assert scores[2] > scores[1] > 0


def test_the_popular_list_is_the_same_for_everybody() -> None:
    grouped = histories(camps(), ITEMS)
    scores = popular(grouped, len(ITEMS), int(grouped.at.max()))(np.array([0, 1]))
    assert (scores[0] == scores[1]).all()
