"""On which connection lists read, and that no server, however silent, keeps them longer than their budget."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from psycopg.pq import TransactionStatus

from recommender import deadline
from recommender.index import budget
from recommender.index.connections import Pool, _limit_ms
from recommender.index.reading import reading
from recommender.models import Visitor

pytestmark = pytest.mark.django_db(transaction=True)


def backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


class EndedMeanwhile:
    """A connection that the server ended between two looks of the watchdog at it."""

    def __init__(self) -> None:
        self.connection, self.info, self.was_asked = self, self, threading.Event()

    closed, transaction_status = False, TransactionStatus.ACTIVE

    def fileno(self) -> int:
        self.was_asked.set()
        raise psycopg.OperationalError("the connection is lost")


def test_a_connection_that_ends_in_the_moment_of_the_cut_costs_no_other_its_deadline() -> None:
    watchdog, ended = deadline.Watchdog(), EndedMeanwhile()
    with watchdog.watch(ended, 0.0):
        assert ended.was_asked.wait(5)
    began = time.monotonic()
    with (
        pytest.raises(OperationalError),
        watchdog.watch(connections[connection.alias], 0.2),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
        cursor.execute("SELECT pg_sleep(3)")
    assert time.monotonic() - began < 2
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])  # it sleeps on


class KeepingPool(Pool):
    """As outside tests, until it is to end."""

    is_open = True

    def keeps(self) -> bool:
        return self.is_open


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = KeepingPool()
    yield made
    made.is_open = False
    made.close()
    until = time.monotonic() + 10
    while made._count and time.monotonic() < until:  # one may be on its way
        time.sleep(0.01)
    assert made._count == 0


def test_a_page_outside_transactions_keeps_its_connection_to_itself() -> None:
    page, limit = backend_pid(), setting("statement_timeout")
    with reading(5_000):
        assert backend_pid() != page
        assert setting("hnsw.iterative_scan") == "relaxed_order"
        assert not connection.in_atomic_block
    assert (backend_pid(), setting("statement_timeout")) == (page, limit)


def test_a_transaction_that_has_begun_is_read_through_in_a_savepoint() -> None:
    with transaction.atomic():
        visitor, page = Visitor.objects.create(), backend_pid()
        with reading(10_000):
            assert backend_pid() == page
            assert Visitor.objects.filter(pk=visitor.pk).exists()
        assert Visitor.objects.filter(pk=visitor.pk).exists()


def test_a_transaction_in_which_nothing_happened_yet_is_left_alone() -> None:
    page = backend_pid()
    with transaction.atomic():
        with reading(10_000):
            assert backend_pid() != page
        assert backend_pid() == page


def test_a_slow_statement_is_cut_off_and_the_page_goes_on() -> None:
    page, began = backend_pid(), time.monotonic()
    with pytest.raises(OperationalError), reading(200):
        sleep(5)
    assert time.monotonic() - began < 1
    assert backend_pid() == page


def test_several_statements_share_one_limit() -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError), reading(300):
        for _ in range(10):
            sleep(0.1)
    assert time.monotonic() - began < 1


def test_computing_beyond_the_limit_costs_no_connection(pool: Pool) -> None:
    with pool.borrow(5) as own, budget.within(0.1), deadline.watch(own, 0.1):
        with own.cursor() as cursor:
            cursor.execute("SELECT 1")
        time.sleep(0.3)
        with own.cursor() as cursor, pytest.raises(OperationalError, match="used up"):
            cursor.execute("SELECT 1")
    with pool.borrow(5) as again:
        assert again is own


def test_a_statement_that_begins_in_time_and_lasts_is_cut(pool: Pool) -> None:
    began = time.monotonic()
    with pool.borrow(5) as own, deadline.watch(own, 0.1), own.cursor() as cursor:
        time.sleep(0.05)
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(5)")
    assert time.monotonic() - began < 1


def test_statements_that_take_too_long_together_cost_no_connection(pool: Pool) -> None:
    with pool.borrow(5) as own, budget.within(0.4), deadline.watch(own, 2), own.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")
        with pytest.raises(OperationalError, match="statement timeout"):
            cursor.execute("SELECT pg_sleep(5)")
    with pool.borrow(5) as again, again.cursor() as cursor:
        assert again is own
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("5s",)


def test_a_used_up_budget_asks_nothing() -> None:
    with budget.within(0.0), pytest.raises(OperationalError, match="used up"), reading(10_000):
        pytest.fail("not reached")


def test_the_server_ends_a_slow_statement_before_the_connection_must_be_cut() -> None:
    with reading(6_000):
        assert setting("statement_timeout") == "5s"  # of a budget of 10 s
    with reading(20_000):  # no list: it says itself how long it may take
        assert setting("statement_timeout") == "20s"


def test_a_limit_is_set_anew_only_where_it_would_end_too_late_or_much_too_soon(settings: Any) -> None:
    settings.RECOMMENDER_BUDGET_MS = 250
    longest = 125
    for left in np.arange(1.0, 200.0, 0.5):
        for now in (1, 20, 51, 64, 80, 100, longest):
            limit = _limit_ms(now, left)
            assert limit <= max(left, 1) and limit <= longest
            assert limit >= max(int(0.6 * min(left, longest)), 1)
            if 0.6 * min(left, longest) <= now <= left:
                assert limit == now
    assert _limit_ms(longest, 124.0) == 100 and _limit_ms(100, 101.0) == 100  # 20 ms of a list later


def test_blocks_inside_share_the_connection_and_its_limit() -> None:
    with reading(5_000):
        outer = backend_pid()
        with reading(), reading(50, neighbours=900):
            assert backend_pid() == outer
            assert setting("hnsw.ef_search") == "900"
        assert setting("hnsw.ef_search") == "200"


def test_what_a_block_inside_needs_does_not_take_from_the_one_around() -> None:
    with reading(1_000), reading(neighbours=900):
        with reading(neighbours=400):
            assert setting("hnsw.ef_search") == "900"
        assert setting("hnsw.ef_search") == "900"


def test_behind_a_pooler_nothing_is_left_on_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with reading(7_000):
        assert connection.in_atomic_block
        assert setting("statement_timeout") == "7s"


def test_a_connection_is_used_again(pool: Pool) -> None:
    with pool.borrow(5) as first:
        pass
    with pool.borrow(5) as second:
        assert second is first


def test_a_connection_that_the_server_ended_is_replaced(pool: Pool) -> None:
    with pool.borrow(5) as first, first.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    time.sleep(0.2)
    with pool.borrow(5) as second, second.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert second is not first


def test_when_all_are_taken_somebody_waits_only_as_long_as_it_may(pool: Pool, settings) -> None:
    settings.RECOMMENDER_CONNECTIONS = 1
    with pool.borrow(5):
        began = time.monotonic()
        with pytest.raises(OperationalError, match="within 100 ms"), pool.borrow(0.1):
            pytest.fail("there is no second one")
        assert time.monotonic() - began < 1


def test_who_waits_gets_what_is_given_back(pool: Pool, settings) -> None:
    settings.RECOMMENDER_CONNECTIONS = 1
    got = threading.Event()

    def second() -> None:
        with pool.borrow(10):
            got.set()

    with pool.borrow(5):
        other = threading.Thread(target=second)
        other.start()
        assert not got.wait(0.1)
    assert got.wait(10)
    other.join()


def test_who_waits_for_one_that_breaks_gets_a_new_one(pool: Pool, settings) -> None:
    settings.RECOMMENDER_CONNECTIONS = 1
    got = threading.Event()

    def second() -> None:
        with pool.borrow(10):
            got.set()

    with pool.borrow(5) as first:
        other = threading.Thread(target=second)
        other.start()
        assert not got.wait(0.1)
        first.close()
    assert got.wait(5)
    other.join()


def test_many_share_a_few_and_none_is_left_waiting(pool: Pool, settings) -> None:
    settings.RECOMMENDER_CONNECTIONS = 2
    pids: list[int] = []

    def borrow_and_break(number: int) -> None:
        with pool.borrow(20) as borrowed, borrowed.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pids.append(cursor.fetchone()[0])
            if number % 3 == 0:
                borrowed.close()

    others = [threading.Thread(target=borrow_and_break, args=[number]) for number in range(24)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert len(pids) == 24


def test_in_tests_nothing_stays_open() -> None:
    own = Pool()
    with own.borrow(5) as borrowed, borrowed.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    assert borrowed.connection is None
    time.sleep(0.2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
        assert cursor.fetchone() is None


def test_a_transaction_opened_by_hand_is_read_through(request: pytest.FixtureRequest) -> None:
    transaction.set_autocommit(False)
    request.addfinalizer(lambda: (transaction.rollback(), transaction.set_autocommit(True)))
    visitor = Visitor.objects.create()
    with reading(10_000):
        assert Visitor.objects.filter(pk=visitor.pk).exists()
    assert Visitor.objects.filter(pk=visitor.pk).exists()


def test_a_server_that_refuses_says_so_at_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    began = time.monotonic()
    with pytest.raises(OperationalError, match="refused"), pool.borrow(10):
        pytest.fail("nobody listens there")
    assert time.monotonic() - began < 5


def test_a_test_that_forbids_the_database_forbids_it_for_lists(django_db_blocker) -> None:
    with django_db_blocker.block(), pytest.raises(RuntimeError, match="not allowed"), reading(5_000):
        pytest.fail("not reached")
