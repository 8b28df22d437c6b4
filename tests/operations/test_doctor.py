from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from recommender.models import ModelArtifact
from recommender.operations.doctor import LOOKS, examine
from recommender.operations.findings import ERROR, OK, WARNING
from recommender.operations.health import note_beat
from tests.worlds import make_listed_products

pytestmark = pytest.mark.django_db


def states() -> dict[str, str]:
    return {found.name: found.state for found in examine()}


@pytest.mark.usefixtures("celery_worker_process")
@pytest.mark.slow
def test_a_shop_where_all_is_well(settings, tmp_path: Path, capsys: Any) -> None:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path)
    make_listed_products(3)
    note_beat()
    call_command("recommender_doctor")
    printed = capsys.readouterr().out
    assert [line.split()[:2] for line in printed.splitlines()] == [[OK, name] for name in LOOKS]


@pytest.mark.usefixtures("celery_worker_process")
@pytest.mark.slow
def test_short_tasks_that_nobody_takes_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(current_app.conf.changes, "task_default_queue", "elsewhere")  # as some shops have it
    found = LOOKS["workers"]()
    assert found.state == WARNING and found.fix.endswith("-Q elsewhere") and "training" not in found.fix


def test_every_fault_comes_with_a_fix(settings, tmp_path: Path, capsys: Any, broker_url: str) -> None:
    settings.RECOMMENDER_SPILL_FOLDER = str(tmp_path / "missing" / "file")
    (tmp_path / "missing").write_text("in the way")
    make_listed_products(3)
    ModelArtifact.objects.update(content=b"changed")
    with pytest.raises(CommandError):
        call_command("recommender_doctor")
    found = {each.name: each for each in examine()}
    assert {name for name, each in found.items() if each.state == ERROR} == {"artifacts", "workers", "beat", "spill"}
    assert all(each.fix for each in found.values() if each.state != OK)
    assert "→" in capsys.readouterr().out


def test_a_cache_that_is_away_is_a_warning(settings, broker_url: str) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }
    assert states()["cache"] == WARNING


def test_missing_migrations_are_named() -> None:
    MigrationRecorder.Migration.objects.filter(app="recommender").latest("pk").delete()
    assert states()["migrations"] == ERROR


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_told_once(monkeypatch: pytest.MonkeyPatch, broker_url: str) -> None:
    for wrapper in connections.all():
        wrapper.close()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    found = states()
    assert found["database"] == ERROR
    assert "migrations" not in found and "cache" in found
