import numpy as np
import pytest

from recommender.capture.tables import PURCHASE, VIEW, EventLog
from recommender.dataset.split import holdout_start, lesson, split_by_time
from tests.event_logs import DAY, START, log_of


def test_only_the_first_purchasing_session_after_the_cut_counts() -> None:
    log = log_of(
        [
            (1, 7, PURCHASE, START),
            (1, 8, VIEW, START + DAY),
            (1, 8, PURCHASE, START + DAY + 60),
            (1, 9, PURCHASE, START + DAY + 120),
            (1, 6, PURCHASE, START + 2 * DAY),
        ]
    )
    train, holdout = split_by_time(log, START + DAY)
    assert train.item.tolist() == [7]
    assert list(zip(holdout.visitor, holdout.item, strict=True)) == [(1, 8), (1, 9)]


def test_a_visitor_without_history_is_not_asked() -> None:
    log = log_of([(1, 7, VIEW, START), (2, 8, VIEW, START + DAY)])
    _, holdout = split_by_time(log, START + DAY)
    assert len(holdout) == 0


def test_without_purchases_every_kind_counts_and_doubles_do_not() -> None:
    log = log_of([(1, "a", VIEW, START), (1, "b", VIEW, START + DAY), (1, "b", VIEW, START + DAY + 1)])
    _, holdout = split_by_time(log, START + DAY)
    assert holdout.item.tolist() == ["b"]


def test_a_single_buyer_among_many_who_look_is_not_asked_alone() -> None:
    visitors = range(1, 40)
    log = log_of(
        [(visitor, "a", VIEW, START) for visitor in visitors]
        + [(visitor, "b", VIEW, START + DAY) for visitor in visitors]
        + [(1, "c", PURCHASE, START + DAY + 9_000)]
    )
    _, holdout = split_by_time(log, START + DAY)
    assert len(holdout) == 39 and set(holdout.item.tolist()) == {"b"}


def test_the_holdout_is_never_more_than_a_tenth_of_the_visitors_days() -> None:
    log = log_of([(1, 1, VIEW, START + day * DAY) for day in range(100)])
    start = holdout_start(log, share=0.1, days=30)
    assert int((log.at >= start).sum()) == 10


@pytest.mark.parametrize(("share", "held"), [(0.0, 1), (0.001, 1), (1.0, 100)])
def test_a_share_of_nothing_holds_the_newest_day_out(share: float, held: int) -> None:
    log = log_of([(1, 1, VIEW, START + day * DAY) for day in range(100)])
    assert int((log.at >= holdout_start(log, share)).sum()) == held


def test_a_visitor_who_looks_at_thousands_of_items_does_not_move_the_cut() -> None:
    shop = [(visitor, day, PURCHASE, START + day * DAY + visitor) for day in range(8) for visitor in range(60)]
    evening = [(99, item, VIEW, START + 7 * DAY + 60 + 3 * item) for item in range(10_000)]
    cut = holdout_start(log_of(shop), 0.1, 14)
    busy = log_of(shop + evening)
    start = holdout_start(busy, 0.1, 14)
    assert start == cut + 1  # seconds: two more of 480 days
    _, holdout = split_by_time(busy, start)
    assert len(np.unique(holdout.visitor)) == 47


def crowd_at_the_end(known: int, days: int = 30) -> EventLog:
    """Some come every day; on the last evening a thousand come once."""
    regulars = [(visitor, day, VIEW, START + day * DAY + visitor) for day in range(days) for visitor in range(known)]
    return log_of(regulars + [(1_000 + new, new, VIEW, START + (days - 1) * DAY + 100 + new) for new in range(1_000)])


def test_the_cut_goes_back_until_enough_visitors_are_asked() -> None:
    log = crowd_at_the_end(known=25)
    start = holdout_start(log, 0.1, 14)
    assert start == START + 29 * DAY + 5  # the last twenty of those who are known
    _, holdout = split_by_time(log, start)
    assert holdout.visitor.tolist() == list(range(5, 25))


def test_the_cut_stays_where_none_asks_enough_visitors() -> None:
    assert holdout_start(crowd_at_the_end(known=19), 0.1, 14) == START + 29 * DAY + 943  # a tenth: 157 of the crowd


@pytest.mark.parametrize(("days", "is_moved"), [(14, False), (20, True)])
def test_the_cut_goes_back_no_further_than_the_days_that_were_set(days: int, is_moved: bool) -> None:
    log = crowd_at_the_end(known=25, days=100)
    gone = log.where((log.visitor > 1_000) | (log.at < START + 83 * DAY))  # the regulars stay away for 17 days
    assert (holdout_start(gone, 0.1, days) == START + 82 * DAY + 5) is is_moved


@pytest.mark.parametrize(("most", "day"), [(200, 89), (105, 90), (95, 91), (85, 92), (10, 92)])
def test_many_visitors_are_asked_about_fewer_days_but_a_week(
    monkeypatch: pytest.MonkeyPatch, most: int, day: int
) -> None:
    monkeypatch.setattr("recommender.dataset.split.MOST_VISITORS", most)
    known = [(visitor, 0, VIEW, START) for visitor in range(1_000)]
    others_each_day = [(visitor, 1, VIEW, START + visitor // 10 * DAY) for visitor in range(10, 1_000)]
    assert holdout_start(log_of(known + others_each_day), 0.2, days=10) == START + day * DAY


def test_the_cut_leaves_two_thirds_of_the_time_to_learn_from() -> None:
    rows = [(visitor, day, VIEW, START + day * DAY + visitor) for day in range(5) for visitor in range(25)]
    crowd = [(1_000 + new, 1, VIEW, START + 9 * DAY + new) for new in range(1_000)]
    assert holdout_start(log_of(rows + crowd), 0.1, 14) > START + 9 * DAY


def test_an_empty_log_splits_into_nothing() -> None:
    train, holdout = split_by_time(log_of([]), holdout_start(log_of([]), 0.1, 14))
    assert len(train) == len(holdout) == 0
    assert holdout.visitor.dtype == np.int64


def test_a_lesson_knows_the_past_and_holds_what_came_first_and_later() -> None:
    log = log_of([(1, day, VIEW, START + day * DAY) for day in range(10)])
    taught = lesson(log, START + 5 * DAY)
    assert taught.log.item.tolist() == [0, 1, 2, 3, 4]
    assert taught.first.item.tolist() == [5]
    assert taught.later.item.tolist() == [5, 6, 7, 8, 9]


def test_a_lesson_asks_nobody_who_was_unknown() -> None:
    taught = lesson(log_of([(1, 1, VIEW, START), (2, 2, VIEW, START + DAY)]), START + DAY)
    assert len(taught.first) == len(taught.later) == 0


def test_splitting_copies_nothing_of_what_came_before() -> None:
    log = log_of([(1, item, PURCHASE, START + item) for item in range(10)])
    train, _ = split_by_time(log, START + 5)
    assert train.item.tolist() == [0, 1, 2, 3, 4]
    assert np.shares_memory(train.item, log.item)
