"""Every counting peer on a world where item n is followed by item n + 1."""

from typing import Final

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.models import MODELS
from benchmarks.peers.baskets import personal_frequency
from benchmarks.peers.ease import Ease
from benchmarks.peers.histories import BASKET, EVENT, keep_largest, nearest_items, recent, steps_from_end, taken
from benchmarks.run_one import load, run
from benchmarks.splits import split
from benchmarks.task import Task
from tests.benchmarks.worlds import dataset, log

ITEMS: Final = 24
COUNTING: Final = [
    name for name, entry in MODELS.items() if entry.path.startswith("benchmarks.peers.") and not entry.is_apart
]
DAY: Final = 86_400


@pytest.fixture(scope="module")
def circle() -> Task:
    """60 visitors walk round a circle of items, a step a day, each from another place."""
    events = [(visitor, (visitor + step) % ITEMS, step * DAY + visitor) for visitor in range(60) for step in range(12)]
    return split(dataset(events, ITEMS), "time")[0]


@pytest.mark.parametrize("name", COUNTING)
def test_lists_are_complete_and_respect_what_was_taken(circle: Task, name: str, tmp_path) -> None:
    model = load(name)

    cost = run(model, circle, tmp_path, 5.0)

    before = taken(circle.train)
    lists = np.load(tmp_path / "lists_new.npy")
    assert lists.shape == (len(circle.asked), circle.n)
    for visitor, row in zip(circle.asked, lists, strict=True):
        listed = row[row >= 0].tolist()
        assert len(listed) == len(set(listed))
        assert not set(listed) & set(before[visitor].indices.tolist())
    assert cost["settings"]["new"]["ndcg@10"] >= 0


@pytest.mark.parametrize("name", ["transitions", "item-knn-last-5", "ease-recency", "item-knn", "ease"])
def test_the_next_place_on_the_circle_is_found(circle: Task, name: str) -> None:
    model = load(name)
    model.fit(circle, 5.0)
    last = np.array([circle.train.item[stop - 1] for stop in circle.train.offsets[1:]])

    first = model.top(np.arange(circle.visitors), 3, True)

    found = (first == ((last + 1) % ITEMS)[:, None]).any(axis=1).mean()
    assert found > 0.9
    if name == "transitions":
        assert (first[:, 0] == (last + 1) % ITEMS).mean() > 0.9


def test_steps_count_baskets_or_events() -> None:
    events = log([(0, 1, 5), (0, 2, 5), (0, 3, 9), (1, 1, 5)], 2, 4, 10)

    assert steps_from_end(events, BASKET).tolist() == [1, 1, 0, 0]
    assert steps_from_end(events, EVENT).tolist() == [2, 1, 0, 0]
    assert recent(events, 0.5, 1, BASKET).toarray().tolist() == [[0, 0, 0, 1], [0, 1, 0, 0]]


def test_personal_frequency_of_two_groups() -> None:
    events = log([(0, 0, 1), (0, 1, 2), (0, 1, 3), (0, 2, 4)], 1, 3, 5)

    # Two groups of two baskets: the older one weighs .5, the older basket of a group .8.
    expected = [0.5 * 0.8 / 4, (0.5 + 0.8) / 4, 1 / 4]
    assert personal_frequency(events, 2, 0.8, 0.5).toarray()[0].tolist() == pytest.approx(expected)


def test_ease_is_the_closed_form(circle: Task) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((40, 7)) < 0.4).astype(float)
    events = log([(int(v), int(i), 0) for v, i in np.argwhere(x)], 40, 7, 1)
    inverse = np.linalg.inv(x.T @ x + 200 * np.eye(7))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)

    learned = Ease().learn(circle, events, regularisation=200.0)

    assert np.allclose(learned.weights, expected[np.ix_(learned.columns, learned.columns)], atol=1e-5)


def test_nearest_items_are_the_largest_products_whatever_the_chunks(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    dense = (rng.random((30, 20)) < 0.3) * rng.random((30, 20))
    left = sp.csr_matrix(dense.T)
    right = sp.csr_matrix(dense)
    product = (left @ right).toarray()
    np.fill_diagonal(product, 0)
    monkeypatch.setattr("benchmarks.peers.histories.ROW_PRODUCTS", 50)

    found = nearest_items(left, right, 3)

    assert np.allclose(np.sort(found.toarray(), axis=1)[:, -3:], np.sort(product, axis=1)[:, -3:])
    assert (np.diff(keep_largest(found, 2).indptr) <= 2).all()
