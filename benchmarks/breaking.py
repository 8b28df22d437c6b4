"""Ways to take a real Postgres or cache away from whoever works with it, each undone at the end."""

import contextlib
import time
from collections.abc import Iterator
from typing import Final

import psutil
import psycopg

from demo.broker import EmbeddedBroker
from demo.postgres import EmbeddedPostgres
from demo.processes import stop

FILLS_UP_SECONDS: Final = 0.2  # a free slot for a connection is taken again within this time


def processes(postgres: EmbeddedPostgres) -> list[psutil.Process]:
    """The server and its backends."""
    main = psutil.Process(postgres.process.pid)
    return [main, *main.children(recursive=True)]


def kill(postgres: EmbeddedPostgres) -> None:
    """SIGKILL to all of its processes at once, as a machine that loses power."""
    for process in processes(postgres):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    stop(postgres.process, None)


@contextlib.contextmanager
def killed(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Nobody listens on its port; it must have been given one, to be found there again."""
    kill(postgres)
    try:
        yield
    finally:
        postgres.stop()
        postgres.start()


@contextlib.contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Under SIGSTOP: connections stand, nobody answers."""
    for process in processes(postgres):
        process.suspend()
    try:
        yield
    finally:
        for process in processes(postgres):
            process.resume()


@contextlib.contextmanager
def locked(postgres: EmbeddedPostgres, *tables: str) -> Iterator[None]:
    """As by a migration that does not end."""
    with psycopg.connect(postgres.url) as connection:
        connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextlib.contextmanager
def crowded(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Everybody's connections are ended, and all of the server's slots are taken."""
    with contextlib.ExitStack() as taken:
        first = taken.enter_context(psycopg.connect(postgres.url, autocommit=True))
        until = time.monotonic() + FILLS_UP_SECONDS
        first.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        while time.monotonic() < until:
            try:
                taken.enter_context(psycopg.connect(postgres.url, autocommit=True))
            except psycopg.OperationalError:
                time.sleep(0.01)
        yield


@contextlib.contextmanager
def without_cache(cache: EmbeddedBroker) -> Iterator[None]:
    """Nobody listens where it was; it comes back empty. It must have been given a port."""
    cache.process.kill()
    cache.stop()
    try:
        yield
    finally:
        cache.start()
