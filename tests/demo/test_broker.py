"""The embedded broker speaks Redis, asks for its password, and ends with us."""

from pathlib import Path

import psutil
import pytest
import redis

from demo import broker as module
from demo.broker import EmbeddedBroker
from demo.processes import ProcessFailed


def test_it_answers_only_with_the_password_which_no_process_list_shows(tmp_path: Path):
    with EmbeddedBroker(tmp_path) as broker:
        client = redis.Redis.from_url(broker.url)
        assert client.ping() is True
        client.close()
        password = broker.url.split(":")[2].split("@")[0]
        assert password not in " ".join(psutil.Process(broker.process.pid).cmdline())
        stranger = redis.Redis(host="127.0.0.1", port=int(broker.url.split(":")[3].split("/")[0]))
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()
        process = broker.process
    assert process.returncode == 0


def test_without_any_server_program_the_fix_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(module, "PACKAGE", "no_such_package")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessFailed, match="CELERY_BROKER_URL"):
        EmbeddedBroker(tmp_path).start()


def test_a_real_worker_runs_on_the_test_database(celery_worker_process, broker_url: str):
    from shop.celery import app

    replies = app.control.ping(timeout=5)
    assert [answer for reply in replies for answer in reply.values()] == [{"ok": "pong"}]
    assert celery_worker_process.poll() is None
