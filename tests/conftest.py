"""For every test: no address outside this machine, and nothing remembered from the test before."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone, translation


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that leaves the machine fails at once, so no test hangs on or depends on one."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise OSError(f"A test tried to reach {address[0]}: tests use this machine only.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a web process keeps in memory belongs to a database that the next test does not have.

    The language of a page also stays with the thread that a test client answered it in.
    """
    from recommender.index.publish import forget_live_version
    from recommender.serving.arms import forget_running
    from recommender.serving.breaker import close_breakers
    from recommender.serving.last_good import forget_kept
    from recommender.serving.placements import known_placements
    from recommender.serving.popular import forget_late
    from recommender.serving.rules import forget_rules
    from recommender.serving.trials import exposures

    translation.activate(settings.LANGUAGE_CODE)
    timezone.deactivate()
    cache.clear()
    forget_live_version()
    forget_running()
    known_placements.forget()
    forget_rules()
    exposures.forget()
    close_breakers()
    forget_kept()
    forget_late()
    for kept in Path(settings.RECOMMENDER_LAST_GOOD_FOLDER).glob("*.json"):
        kept.unlink()


@pytest.fixture
def empty_database() -> Iterator[str]:
    """URL of a database of its own on the tests' server."""
    server = os.environ["DATABASE_URL"]
    name = f"foreign_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
