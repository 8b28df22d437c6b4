import numpy as np

from recommender.capture.tables import PURCHASE, VIEW
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


def test_the_holdout_is_never_more_than_a_tenth_of_the_events() -> None:
    log = log_of([(1, 1, VIEW, START + hour * 3_600) for hour in range(100)])
    start = holdout_start(log, share=0.1, days=30)
    assert int((log.at >= start).sum()) == 10


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
