"""The command on a shop that it has never seen."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.quality import is_late, main


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments that name a small shop; everything is written to tmp_path."""
    for name in ("benchmarks.results_store.RESULTS", "benchmarks.report.RESULTS"):
        monkeypatch.setattr(name, tmp_path / "results")
    monkeypatch.setattr("benchmarks.results_store.LISTS", tmp_path / "lists")
    rows = [f"u{visitor},i{(visitor + step) % 40},{step * 86_400}" for visitor in range(25) for step in range(10)]
    (tmp_path / "shop.csv").write_text("\n".join(["user,item,timestamp", *rows]))
    return ["--interactions", str(tmp_path / "shop.csv"), "--budget", "5"]


def test_a_run_is_kept_and_goes_on_where_it_stopped(shop: list[str], tmp_path: Path) -> None:
    assert main([*shop, "--models", "popularity"]) == 0
    result = tmp_path / "results" / "quality" / "shop" / "time" / "popularity.json"
    written = result.stat().st_mtime_ns

    assert main([*shop, "--models", "popularity", "transitions"]) == 0

    assert result.stat().st_mtime_ns == written
    (entry, *_) = json.loads((tmp_path / "results" / "quality.json").read_text())
    assert set(entry["models"]) == {"popularity", "transitions"}
    assert entry["models"]["transitions"]["ndcg@10"] > entry["models"]["popularity"]["ndcg@10"]
    assert "| transitions |" in (tmp_path / "results" / "quality.md").read_text()


@pytest.mark.parametrize(
    ("script", "failed"),
    [
        ("echo 'ModuleNotFoundError: numpy' >&2; exit 1", "ModuleNotFoundError: numpy"),
        ("echo 'autoencoder 0/1' >&2; kill -9 $$", "killed by signal 9, probably out of memory"),
    ],
    ids=["by an error", "from outside"],
)
def test_a_model_that_fails_is_reported_with_the_reason(
    shop: list[str], tmp_path: Path, monkeypatch, script: str, failed: str
) -> None:
    monkeypatch.setattr("benchmarks.quality.PEERS_PYTHON", tmp_path / "missing")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))

    assert main([*shop, "--models", "popularity"]) == 1

    report = (tmp_path / "results" / "quality.md").read_text()
    assert f"failed: {failed}" in report


def test_events_of_one_moment_are_split_by_the_last_item(
    shop: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"u{visitor},i{(visitor + step) % 40},86400" for visitor in range(25) for step in range(10)]
    (tmp_path / "shop.csv").write_text("\n".join(["user,item,timestamp", *rows]))

    assert main([*shop, "--models", "popularity", "--split", "time"]) == 1
    assert main([*shop, "--models", "popularity"]) == 0

    assert "100% of the events have the time 1970-01-02T00:00:00" in capsys.readouterr().err
    (entry,) = json.loads((tmp_path / "results" / "quality.json").read_text())
    assert entry["split"] == "leave-one-out"


def test_an_unusable_file_ends_with_what_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--interactions", str(tmp_path / "nowhere.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells the time of another process")
def test_a_model_that_waits_for_the_processor_is_not_late() -> None:
    with subprocess.Popen(["sleep", "60"]) as waits:
        try:
            assert not is_late(waits.pid, 11.0, longest=10.0)
            assert is_late(waits.pid, 81.0, longest=10.0)
        finally:
            waits.kill()
    assert is_late(os.getpid(), 11.0, longest=0.01)
    assert not is_late(os.getpid(), 0.01, longest=0.02)
