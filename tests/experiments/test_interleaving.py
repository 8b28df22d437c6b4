import numpy as np
import pytest

from recommender.experiments.interleaving import Preference, preference, team_draft

FIRST, SECOND = [1, 2, 3, 4, 5, 6], [4, 1, 7, 8, 9, 2]


def test_each_round_has_one_pick_of_each_side() -> None:
    for seed in range(50):
        drafted = team_draft(FIRST, SECOND, 6, str(seed))
        assert len(set(drafted.items)) == 6
        assert all(sum(drafted.team[at : at + 2]) == 1 for at in (0, 2, 4))


def test_a_pick_is_the_best_that_its_side_had_left() -> None:
    drafted = team_draft(FIRST, SECOND, 6, "x")
    taken: set[int] = set()
    for item, side in zip(drafted.items, drafted.team, strict=True):
        assert item == next(each for each in (FIRST, SECOND)[side] if each not in taken)
        taken.add(item)


def test_both_sides_begin_equally_often() -> None:
    begins = [team_draft(FIRST, SECOND, 4, str(seed)).team[0] for seed in range(2_000)]
    assert np.mean(begins) == pytest.approx(0.5, abs=0.04)


def test_the_same_seed_is_the_same_list() -> None:
    assert team_draft(FIRST, SECOND, 5, "x") == team_draft(FIRST, SECOND, 5, "x")


@pytest.mark.parametrize(("first", "second", "length"), [([], [], 0), ([1], [], 1), ([], [1, 2], 2), ([1], [1], 1)])
def test_what_runs_out_leaves_the_rest_to_the_other(first: list[int], second: list[int], length: int) -> None:
    assert len(team_draft(first, second, 10, "x").items) == length


def test_equal_rankings_are_preferred_equally() -> None:
    """500 comparisons of a ranking with itself by 60 visitors who click the best two: p is not small too often."""
    small = 0
    for trial in range(500):
        clicks = []
        for visitor in range(60):
            team = team_draft(FIRST, FIRST, 6, f"{trial}:{visitor}").team
            clicks.append((team[:3].count(0), team[:3].count(1)))
        small += preference(clicks).p < 0.05
    assert small / 500 < 0.08


def test_a_better_ranking_is_preferred() -> None:
    clicks = []
    for visitor in range(60):
        drafted = team_draft(FIRST, SECOND, 6, str(visitor))
        liked = [side for item, side in zip(drafted.items, drafted.team, strict=True) if item in (7, 8)]
        clicks.append((liked.count(0), liked.count(1)))
    found = preference(clicks)
    assert found.first == 0 and found.second > 30
    assert found.p < 1e-10


def test_nobody_has_a_preference() -> None:
    assert preference([(0, 0), (1, 1)]) == preference([(1, 1), (0, 0)])
    assert preference([]) == Preference(0, 0, 1.0)
