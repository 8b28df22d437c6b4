"""pytest plugin, loaded by `-p tests.plugin`: real engines under the tests.

Postgres and the broker start at import, before Django reads its settings; a worker when a test asks for it.

DATABASE_URL and CELERY_BROKER_URL, where set, are used instead.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

# The machine's cores run the engines too; small tensors on many threads wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from demo.broker import EmbeddedBroker
from demo.postgres import EmbeddedPostgres
from demo.processes import start, stop, tail

ROOT = Path(__file__).resolve().parent.parent
WORKER_START_SECONDS = 60


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="recommender-tests-"))
    folder.chmod(0o711)  # as root, Postgres runs as another account
    return folder


def _start_postgres() -> None:
    server = EmbeddedPostgres(_folder(), durable=False)
    atexit.register(server.destroy)
    os.environ["DATABASE_URL"] = server.start()


def _start_broker() -> str:
    server = EmbeddedBroker(_folder())
    atexit.register(shutil.rmtree, server.folder)
    atexit.register(server.stop)
    os.environ["CELERY_BROKER_URL"] = server.start()
    return server.url


if not os.environ.get("DATABASE_URL"):
    _start_postgres()
_embedded_broker_url = "" if os.environ.get("CELERY_BROKER_URL") else _start_broker()


@pytest.fixture
def broker_url() -> str:
    """The real broker; the embedded one is empty: messages of earlier tests are gone."""
    url = os.environ["CELERY_BROKER_URL"]
    if _embedded_broker_url == url:  # never somebody's own
        with redis.Redis.from_url(url) as client:
            client.flushall()
    return url


@pytest.fixture
def celery_worker_process(
    broker_url: str, transactional_db: None, tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A real worker process on the test database, on the queues `celery` and `training`; ready when handed over."""
    log = tmp_path / "worker.log"
    argv = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-Q", "celery,training"]
    argv += ["-c", "1", "-n", f"test-{os.getpid()}@%h", "--without-gossip", "--without-mingle", "-l", "INFO"]
    worker = start(argv, log, cwd=ROOT, env=worker_environment(broker_url))
    try:
        _wait_until_ready(worker, log)
        yield worker
    finally:
        stop(worker, grace_seconds=15)
        sys.stderr.write(log.read_text(errors="replace"))  # pytest shows it when the test failed


def worker_environment(broker_url: str) -> dict[str, str]:
    """The environment in which a child process works on this run's *test* database and broker."""
    from django.db import connection

    settings: dict[str, Any] = connection.settings_dict
    address = f"{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}"
    database_url = f"postgresql://{address}/{settings['NAME']}"
    return {**os.environ, "DATABASE_URL": database_url, "CELERY_BROKER_URL": broker_url, "REMAP_SIGTERM": "SIGQUIT"}


def _wait_until_ready(worker: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + WORKER_START_SECONDS
    while " ready." not in tail(log, 50):
        if worker.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"The worker did not start:\n{tail(log, 50)}")
        time.sleep(0.1)
