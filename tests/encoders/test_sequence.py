from dataclasses import replace

import numpy as np
import torch

from recommender.capture.tables import EventLog
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.sequence import SequenceEncoder, SequenceSettings, VisitorTransformer, gap_bucket
from recommender.encoders.sequence_training import REPLAY, Batches, next_baskets, train_sequence
from recommender.encoders.training import state_of
from tests.event_logs import START, chain, log_of, shuffled

ITEMS = Vocabulary(np.arange(1, 31))
SETTINGS = SequenceSettings(dim=32, length=16, epochs=12, batch=32, dropout=0.0, learning_rate=1e-2)
CONTENT = np.eye(len(ITEMS), 8, dtype=np.float32)


def hit_rate(train: EventLog, asked: EventLog, settings: SequenceSettings = SETTINGS) -> float:
    """How often the item that follows in the chain is among the first three of 30 after a history of `asked`."""
    model = train_sequence(histories(train, ITEMS), CONTENT, settings)
    table = model.final_items(torch.arange(len(ITEMS))).detach()
    grouped = histories(asked, ITEMS)
    hits = []
    with torch.no_grad():
        for start, stop in zip(grouped.offsets[:-1], grouped.offsets[1:], strict=True):
            items = torch.from_numpy(grouped.item[start : stop - 1][-16:])[None]
            ages = torch.arange(items.shape[1], 0, -1)[None] * 3_600.0
            visitor = model.visitor(table[items], torch.ones_like(items), ages)[0, -1]
            best = (table[1:] @ visitor).topk(3).indices + 1
            hits.append(int(grouped.item[stop - 1]) in best.tolist())
    return float(np.mean(hits))


def test_what_follows_in_the_chain_is_found() -> None:
    assert hit_rate(chain(seed=0), chain(visitors=60, seed=1)) > 0.9


def test_in_the_shuffled_twin_nothing_is_found() -> None:
    asked = shuffled(chain(visitors=60, seed=1))
    assert hit_rate(shuffled(chain(seed=0)), asked) < 0.3  # chance is .1


def test_a_position_knows_nothing_of_later_events() -> None:
    model = VisitorTransformer(dim=8).eval()
    torch.nn.init.normal_(model.leave.weight)
    vectors, kinds, ages = (
        torch.randn(1, 6, 8),
        torch.ones(1, 6, dtype=torch.int64),
        torch.arange(6, 0, -1)[None] * 60.0,
    )
    before = model(vectors, kinds, ages)
    vectors[0, 4:] = torch.randn(2, 8)
    after = model(vectors, kinds, ages)
    assert torch.allclose(before[0, :4], after[0, :4], atol=1e-6)
    assert not torch.allclose(before[0, 4], after[0, 4], atol=1e-3)


def test_padding_on_either_side_changes_nothing() -> None:
    model = VisitorTransformer(dim=8).eval()
    torch.nn.init.normal_(model.leave.weight)
    vectors, kinds, ages = (
        torch.randn(1, 4, 8),
        torch.ones(1, 4, dtype=torch.int64),
        torch.arange(4, 0, -1)[None] * 60.0,
    )
    zeros = (torch.zeros(1, 3, 8), torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 3))
    plain = model(vectors, kinds, ages)[0, 3]
    left = model(*(torch.cat(pair, 1) for pair in zip(zeros, (vectors, kinds, ages), strict=True)))[0, 6]
    right = model(*(torch.cat(pair, 1) for pair in zip((vectors, kinds, ages), zeros, strict=True)))[0, 3]
    assert torch.allclose(plain, left, atol=1e-5)
    assert torch.allclose(plain, right, atol=1e-5)


def test_gaps_are_logarithms_of_minutes() -> None:
    ages = torch.tensor([[7_200.0, 7_200.0, 3_600.0, 3_540.0, 0.0]])
    assert gap_bucket(ages).tolist() == [[0, 0, 6, 1, 6]]


def small() -> Histories:
    rows = [(1, 1, 4, START), (1, 2, 4, START), (1, 1, 4, START + 9), (1, 3, 4, START + 9), (2, 4, 4, START)]
    return histories(log_of(sorted(rows, key=lambda row: row[3])), ITEMS)


def test_a_basket_predicts_all_of_the_next_one_and_repeats_count_less() -> None:
    targets = next_baskets(small(), repeat_weight=0.2)
    assert targets.last.tolist() == [0, 4, 0, 0, 0]
    assert targets.first.tolist() == [0, 2, 0, 0, 0]
    assert np.allclose(targets.weight, [1, 1, 0.2, 1, 1])


def test_every_basket_end_is_asked_once_an_epoch() -> None:
    grouped = histories(chain(visitors=40, events=50), ITEMS)
    batches = Batches(grouped, SETTINGS)
    steps = batches.epoch(torch.Generator().manual_seed(0)) + batches.check()
    asked = sum(len(batches.gather(chosen)[3]) for chosen in steps)
    assert asked == 40 * 49


def test_going_on_asks_what_is_new_and_twice_as_many_older_windows() -> None:
    grouped = histories(chain(visitors=40, events=50), ITEMS)
    since = int(np.quantile(grouped.at, 0.9))
    batches = Batches(grouped, SETTINGS, since)
    generator = torch.Generator().manual_seed(0)
    first, second = (np.concatenate(batches.epoch(generator)) for _ in range(2))
    is_new = grouped.at[batches.stop - 1] >= since
    assert 0 < is_new.sum() < len(is_new) / 4
    for windows in (first, second):
        assert len(windows) == len(set(windows.tolist())) == (1 + REPLAY) * is_new[windows].sum()
        assert set(np.flatnonzero(is_new & ~batches.is_check)) <= set(windows.tolist())
    assert set(first.tolist()) != set(second.tolist())


def test_going_on_with_nothing_new_changes_nothing() -> None:
    grouped = histories(chain(visitors=40, events=50), ITEMS)
    before = train_sequence(grouped, CONTENT, SETTINGS)
    after = train_sequence(grouped, CONTENT, SETTINGS, start=state_of(before), since=int(grouped.at.max()) + 1)
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in state_of(before).items())


def test_two_steps_at_zero_learning_rate_have_equal_gradients() -> None:
    from recommender.encoders.sequence_training import _step_loss

    grouped = histories(chain(visitors=10), ITEMS)
    settings = SequenceSettings(dim=16, length=16, dropout=0.0, own_drop=0.0)
    torch.manual_seed(0)
    model = SequenceEncoder(torch.from_numpy(CONTENT), torch.zeros(len(ITEMS)), settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    batches = Batches(grouped, settings)
    gradients = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(0)
        loss = _step_loss(
            model, batches.gather(np.arange(5)), torch.from_numpy(np.unique(grouped.item)), settings, generator, "cpu"
        )
        assert loss is not None
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        gradients.append(model.own.weight.grad.clone())
    assert torch.equal(*gradients)


def test_views_of_a_history_are_learned_from_and_do_not_hide_what_follows() -> None:
    grouped = histories(chain(visitors=60), ITEMS)
    settings = replace(SETTINGS, epochs=2)
    plain, augmented = (
        state_of(train_sequence(grouped, CONTENT, replace(settings, views=views)))
        for views in ((), ("crop", "mask", "reorder"))
    )
    assert not torch.equal(plain["visitor.leave.weight"], augmented["visitor.leave.weight"])
    assert hit_rate(chain(seed=0), chain(visitors=60, seed=1), replace(SETTINGS, views=("crop", "mask"))) > 0.9
