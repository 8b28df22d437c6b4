"""The speed and growth benchmarks compare like with like, and run."""

import pytest
import torch

from benchmarks.growth import warm_seconds
from benchmarks.speed import by_coo, by_csr, by_message_passing, ours, random_graph, sequence_speed, useful_products
from benchmarks.synthetic import DAY, START, events
from recommender.encoders.sequence import SequenceSettings


def test_all_ways_to_propagate_give_the_same() -> None:
    graph = random_graph(2_000)
    x = torch.randn(graph.items, 8)
    same = ours(graph, x)()
    assert same.abs().max() > 0.1
    for other in (by_message_passing, by_coo, by_csr):
        assert torch.allclose(other(graph, x)(), same, atol=1e-5)


def test_padding_is_no_useful_work() -> None:
    kinds = torch.tensor([[4, 4, 4], [4, 0, 0]])
    batch = (kinds, kinds, kinds, torch.arange(2))
    settings = SequenceSettings(dim=2, blocks=1, heads=1)
    products = useful_products(batch, 5, settings)
    assert products[(4, 2, 20)] == 3 * 2 * 4 * 2 * 20  # 4 events, not 6 places
    assert products[(3, 2, 3)] == 3 * 2 * 2 * 7 * 2  # of 18 pairs, 6 + 1 are neither padding nor future


def test_the_share_of_the_limit_is_a_share() -> None:
    speed = sequence_speed(visitors=300, items=200, steps=3)
    assert 0 < speed["share_of_sgemm"] < 1 and 0 < speed["share_real_tokens"] <= 1
    assert speed["tokens_per_cpu_second"] > 0


def test_made_up_events_fill_their_days_only() -> None:
    log = events(500, 40, 30, seed=0, first_day=3, days=2)
    assert START + 3 * DAY <= log.at[0] <= log.at[-1] < START + 5 * DAY
    assert log.item.min() >= 1 and log.item.max() <= 30 and set(log.visitor) <= set(range(1, 41))


@pytest.mark.slow
def test_the_measured_training_is_warm() -> None:
    run = warm_seconds(2_000, 100, 60)
    assert run["events"] == 2_100 and run["cpu_seconds"] > 0 and "sequence" in run["stages"]
