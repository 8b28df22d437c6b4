import numpy as np

from recommender.dataset.cold_items import TAKEN, ColdItems, pack_cold, unpack_cold
from recommender.dataset.ranking_features import COLD_CANDIDATES, COLD_ITEMS, STATISTICS

RNG = np.random.default_rng(0)
NOW = 1_000_000


def statistics(taken: np.ndarray) -> np.ndarray:
    """Of item rows 1..n; row 0 is padding."""
    rows = np.zeros((len(taken) + 1, len(STATISTICS)), np.float32)
    rows[1:, TAKEN] = np.log1p(taken)
    return rows


def test_only_what_nobody_has_taken() -> None:
    cold = ColdItems.of(statistics(np.array([0, 3, 0, 1])), RNG.random((5, 4)).astype(np.float32), NOW)
    assert cold.rows.tolist() == [1, 3]


def test_of_many_the_newest() -> None:
    items = COLD_ITEMS + 200
    cold = ColdItems.of(statistics(np.zeros(items)), np.zeros((items + 1, 4), np.float32), NOW)
    assert cold.rows.tolist() == [*range(201, items + 1)]


def test_when_items_came_says_which_are_new_and_which_are_not_there_yet() -> None:
    items = COLD_ITEMS + 3
    added_at = NOW - np.arange(items, dtype=np.float64)  # the lowest key came last
    added_at[5], added_at[6] = np.nan, NOW + 1
    cold = ColdItems.of(statistics(np.zeros(items)), np.zeros((items + 1, 4), np.float32), NOW, added_at)
    assert cold.rows.tolist() == [row for row in range(1, COLD_ITEMS + 3) if row not in (6, 7)]


def test_where_no_time_is_known_a_higher_key_is_newer() -> None:
    unknown = np.full(COLD_ITEMS + 1, np.nan)
    cold = ColdItems.of(statistics(np.zeros(COLD_ITEMS + 1)), np.zeros((COLD_ITEMS + 2, 4), np.float32), NOW, unknown)
    assert cold.rows.tolist() == [*range(2, COLD_ITEMS + 2)]


def test_the_nearest_to_a_visitor_are_candidates() -> None:
    vectors = RNG.normal(size=(COLD_CANDIDATES * 3, 8)).astype(np.float32)
    cold = ColdItems(np.arange(1, len(vectors) + 1), vectors)
    visitor = RNG.normal(size=8).astype(np.float32)
    best = np.argsort(-(vectors @ visitor))[:COLD_CANDIDATES] + 1
    assert sorted(cold.nearest(visitor).tolist()) == sorted(best.tolist())


def test_a_file_holds_them() -> None:
    cold = ColdItems(np.array([4, 9]), RNG.random((2, 3)).astype(np.float32))
    back = unpack_cold(pack_cold(cold))
    assert back.rows.tolist() == [4, 9]
    assert np.allclose(back.vectors, cold.vectors, atol=1e-3)
