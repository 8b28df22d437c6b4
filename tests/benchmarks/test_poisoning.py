"""Counted lists of a small generated shop: what the fakes reach with and without protection."""

import numpy as np
import pytest

from benchmarks.poisoning import World, join, make_world, unasked
from recommender.capture.tables import PURCHASE, EventLog
from recommender.dataset.graph import item_pairs
from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.evaluation.baselines import popularity

VISITORS, ITEMS = 600, 90


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(VISITORS, ITEMS, VISITORS // 100, seed=1)


def rank_of_pushed(world: World, log: EventLog) -> int:
    """Its place among the best sellers, 1 is the first."""
    grouped = histories(log, Vocabulary(world.items.item))
    counts = popularity(grouped, ITEMS + 1, int(log.at[-1]))
    return int(np.count_nonzero(counts > counts[world.pushed])) + 1


def partners_of_pushed(world: World, log: EventLog) -> int:
    """How many items are shown as bought together with it."""
    pairs = item_pairs(histories(log, Vocabulary(world.items.item)), ITEMS + 1, min_buyers=5, most=10)
    return int(np.count_nonzero(pairs.other == world.pushed))


def test_fakes_do_not_make_a_best_seller(world: World) -> None:
    before = rank_of_pushed(world, world.honest)
    assert before > 20
    assert rank_of_pushed(world, join(world.honest, unasked(world.fake))) == 1
    assert rank_of_pushed(world, join(world.honest, world.fake)) > 20


def test_fakes_do_not_stand_beside_best_sellers(world: World) -> None:
    before = partners_of_pushed(world, world.honest)
    assert partners_of_pushed(world, join(world.honest, unasked(world.fake, PURCHASE))) >= before + 10
    assert partners_of_pushed(world, join(world.honest, world.fake)) == before
