"""The map of the items: neighbours stay neighbours, and the same vectors make the same map."""

import json

import numpy as np

from recommender.encoders.item_map import MOST, map_items
from recommender.encoders.tables import Part
from tests.tiny_tables import DIM, group_vectors

PARTS = (Part("content", 0, DIM - 2, 0.5), Part("popularity", DIM - 2, DIM, 0.5))


def mapped(n: int, groups: int = 3) -> dict[str, list[float]]:
    content = map_items(np.arange(1, n + 1), group_vectors(n, groups), np.ones(n, np.float32), PARTS)
    return dict(json.loads(content))


def test_items_of_a_group_lie_together_and_groups_apart() -> None:
    found = mapped(90)
    place = np.stack([found["x"], found["y"]], axis=1)
    group = np.arange(90) % 3
    centres = np.stack([place[group == each].mean(axis=0) for each in range(3)])
    nearest = np.linalg.norm(place[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.95
    assert place.min() == 0.0 and place.max() == 1.0


def test_the_same_vectors_make_the_same_map() -> None:
    assert mapped(60) == mapped(60)


def test_popularity_moves_nothing_and_the_best_sellers_are_drawn() -> None:
    vectors, popularity = group_vectors(MOST + 9, 2), np.arange(MOST + 9, dtype=np.float32)
    few = vectors[:40].copy()
    few[:, DIM - 2 :] = 9.0
    keys = np.arange(40)
    ones = np.ones(40, np.float32)
    assert map_items(keys, vectors[:40], ones, PARTS) == map_items(keys, few, ones, PARTS)
    order = json.loads(map_items(np.arange(9), vectors[:9], popularity[:9], PARTS))["items"]
    assert order == list(range(8, -1, -1))


def test_a_catalogue_of_three_has_a_map() -> None:
    assert mapped(3)["items"] == [1, 2, 3]
