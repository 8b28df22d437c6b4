import numpy as np
import pytest

from recommender.capture.tables import VIEW
from recommender.dataset import sequences
from recommender.dataset.item_statistics import item_statistics
from recommender.dataset.links import follows
from recommender.dataset.sequences import first_of_a_day, histories, windows
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.sequence_training import next_baskets
from tests.event_logs import START, camps, log_of

ITEMS = Vocabulary(np.array([1, 2, 3, 4]))


def test_histories_are_grouped_by_visitor_in_time_order() -> None:
    log = log_of([(9, 1, VIEW, START), (5, 2, VIEW, START + 1), (9, 3, VIEW, START + 2), (5, 4, VIEW, START + 3)])
    grouped = histories(log, ITEMS)
    assert grouped.visitor.tolist() == [5, 9]
    assert grouped.offsets.tolist() == [0, 2, 4]
    assert grouped.item.tolist() == [2, 4, 1, 3]
    assert grouped.owner.tolist() == [0, 0, 1, 1]


def test_events_of_one_visitor_at_one_time_are_one_basket() -> None:
    log = log_of([(1, 1, VIEW, START), (1, 2, VIEW, START), (2, 3, VIEW, START), (1, 4, VIEW, START + 1)])
    assert histories(log, ITEMS).basket.tolist() == [0, 0, 1, 2]


def test_events_of_unknown_items_are_left_out() -> None:
    grouped = histories(log_of([(1, 99, VIEW, START), (1, 2, VIEW, START)]), ITEMS)
    assert grouped.item.tolist() == [2]


def test_every_event_is_in_the_fresh_part_of_exactly_one_window() -> None:
    rows = [(visitor, 1, VIEW, START + step) for visitor, length in ((1, 3), (2, 8), (3, 21)) for step in range(length)]
    grouped = histories(log_of(sorted(rows, key=lambda row: row[3])), ITEMS)
    cut = windows(grouped, length=8, stride=4)
    fresh = np.zeros(len(grouped.item), dtype=int)
    for start, stop in zip(cut.start, cut.stop, strict=True):
        assert 0 < stop - start <= 8
        begins = start in grouped.offsets
        fresh[start if begins else stop - 4 : stop] += 1
    assert (fresh == 1).all()


def test_the_histories_of_some_visitors_come_in_the_order_asked() -> None:
    grouped = histories(camps(visitors=9), Vocabulary(np.arange(1, 41)))
    some = grouped.of(np.array([7, 2]))
    assert some.visitor.tolist() == [8, 3]
    for place, number in enumerate((7, 2)):
        there, here = slice(*some.offsets[place : place + 2]), slice(*grouped.offsets[number : number + 2])
        assert some.item[there].tolist() == grouped.item[here].tolist()
        assert some.at[there].tolist() == grouped.at[here].tolist()


def test_what_is_counted_piece_by_piece_is_what_all_at_once_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    grouped = histories(camps(visitors=30), Vocabulary(np.arange(1, 41)))
    now = int(grouped.at.max())

    def counted() -> list[np.ndarray]:
        targets = next_baskets(grouped, 0.2)
        links = follows(grouped, 41).toarray()
        return [
            first_of_a_day(grouped),
            item_statistics(grouped, 41, now),
            targets.first,
            targets.last,
            targets.weight,
            links,
        ]

    whole = counted()
    monkeypatch.setattr(sequences, "PIECE", 50)  # two visitors
    assert len(list(grouped.pieces())) == 15
    for pieces, expected in zip(counted(), whole, strict=True):
        assert np.allclose(pieces, expected, atol=1e-6)
