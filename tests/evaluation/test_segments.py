"""Segments, calibration and reliability on lists whose right answer can be counted by hand."""

import numpy as np
import pytest
import scipy.sparse as sp

from recommender.evaluation.judge import Ranked, rank
from recommender.evaluation.segments import by_history, by_segment, calibration, head_items

ITEMS = 31  # rows, 0 is padding


def matrix(*rows: list[int]) -> sp.csr_matrix:
    dense = np.zeros((len(rows), ITEMS), dtype=np.float32)
    for row, items in zip(dense, rows, strict=True):
        row[items] = 1.0
    return sp.csr_matrix(dense)


def lists(best: list[int], visitors: int, taken: sp.csr_matrix) -> Ranked:
    """Everybody gets `best` first."""
    scores = np.full(ITEMS, -9.0, dtype=np.float32)
    scores[best] = np.arange(len(best), 0, -1)
    return rank(lambda numbers: np.tile(scores, (len(numbers), 1)), np.arange(visitors), taken)


BEFORE = matrix([1], list(range(1, 8)), list(range(1, 26)))  # a new, a light and a heavy visitor
NEXT = matrix([1], [2], [30])  # two repeats and one discovery


def test_each_kind_of_visitor_is_asked_apart() -> None:
    found = by_segment({"ours": lists([1], 3, BEFORE), "popularity": lists([30], 3, BEFORE)}, NEXT, BEFORE)
    assert [found[name]["visitors"] for name in ("new_visitors", "light_visitors", "heavy_visitors")] == [1, 1, 1]
    assert found["new_visitors"]["ndcg@10"] == {"ours": 1.0, "popularity": pytest.approx(1 / np.log2(3))}
    assert found["heavy_visitors"]["ndcg@10"]["popularity"] == 1.0


def test_repeats_and_discoveries_are_told_apart_and_discoveries_are_ranked_among_new_items() -> None:
    found = by_segment({"ours": lists([1, 2, 30], 3, BEFORE)}, NEXT, BEFORE)
    assert (found["repeat"]["visitors"], found["explore"]["visitors"]) == (2, 1)
    assert found["explore"]["ndcg@10"]["ours"] == 1.0  # 1 and 2 are no discovery for the third visitor


def test_the_head_is_the_fewest_items_with_half_of_what_was_taken() -> None:
    before = matrix([1, 2], [1, 3], [1, 4])
    assert np.flatnonzero(head_items(before)).tolist() == [1]
    found = by_segment({"ours": lists([2], 3, before)}, matrix([1], [2], [3]), before)
    assert (found["head_items"]["visitors"], found["tail_items"]["visitors"]) == (1, 2)


def test_a_ranker_that_knows_its_chances_is_calibrated_and_one_that_boasts_is_not() -> None:
    random = np.random.default_rng(0)
    visitors, chance = 4_000, np.array([0.5, 0.3, 0.2])
    truth = matrix(*[[int(item)] for item in random.choice([1, 2, 3], visitors, p=chance)])
    rows = np.tile(np.array([1, 2, 3]), (visitors, 1))
    honest = Ranked(rows, rows, np.tile(chance.astype(np.float32), (visitors, 1)))
    boasting = Ranked(rows, rows, np.tile(np.array([0.98, 0.01, 0.01], dtype=np.float32), (visitors, 1)))
    for row in calibration(honest, truth):
        assert abs(row["predicted"] - row["observed"]) < 5 * row["error"]
    assert max(abs(row["predicted"] - row["observed"]) / row["error"] for row in calibration(boasting, truth)) > 20


def test_reliability_is_told_by_length_of_history_and_empty_classes_are_left_out() -> None:
    rows = by_history(lists([1, 2, 30], 3, BEFORE), NEXT, BEFORE)
    assert [(row["from"], row["to"], row["visitors"]) for row in rows] == [(1, 1, 1), (5, 9, 1), (20, 49, 1)]
    assert all(row["observed"] == 1.0 for row in rows)
    assert 0 < rows[0]["predicted"] <= 1


def test_a_shop_in_which_nobody_came_back_has_no_calibration() -> None:
    nothing = matrix([], [], [])
    assert calibration(lists([1], 3, BEFORE), nothing) == []
    assert by_history(lists([1], 3, BEFORE), nothing, BEFORE) == []
