"""One dead program ends the demo with its last words; leaving stops all."""

import os
import sys
from pathlib import Path

import pytest

from demo.processes import ProcessFailed
from demo.supervisor import Child, Supervisor
from tests.demo.test_processes import is_alive, wait_for

STAYS = [sys.executable, "-c", "import time; time.sleep(600)"]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_leaving_stops_every_program_and_what_it_started_in_sessions_of_their_own(tmp_path: Path):
    parent = (
        "import subprocess, sys, time;"
        f"print(subprocess.Popen({STAYS!r}, start_new_session=True).pid, flush=True); time.sleep(600)"
    )
    with Supervisor(tmp_path, os.environ) as supervisor:
        child = supervisor.start("parent", script(parent))
        assert child.log is not None
        log = child.log
        assert wait_for(lambda: log.exists() and log.read_text().strip())
        grandchild = int(log.read_text())
        supervisor.check()
    assert not is_alive(child.process.pid)
    assert not is_alive(grandchild)


def test_a_program_that_ends_is_named_with_its_last_lines(tmp_path: Path):
    with Supervisor(tmp_path, os.environ) as supervisor:
        supervisor.start("fine", STAYS)
        supervisor.start("web", script("import sys; print('port is taken'); sys.exit(3)"))
        with pytest.raises(ProcessFailed, match=r"(?s)web ended with exit status 3.*port is taken"):
            wait_for(lambda: supervisor.check())


def test_a_killed_program_names_the_signal(tmp_path: Path):
    with Supervisor(tmp_path, os.environ) as supervisor:
        child = supervisor.start("worker", STAYS)
        child.process.kill()
        with pytest.raises(ProcessFailed, match="worker was killed by signal 9"):
            wait_for(lambda: supervisor.check())


def test_an_errand_may_end_but_not_fail(tmp_path: Path):
    with Supervisor(tmp_path, os.environ) as supervisor:
        early = supervisor.start_errand("early", script("pass"))
        supervisor.finish(supervisor.start_errand("late", script("import time; time.sleep(0.5)")))
        supervisor.finish(early)
        assert supervisor.children == []
        with pytest.raises(ProcessFailed, match=r"(?s)migrate ended with exit status 1.*no such table"):
            supervisor.finish(supervisor.start_errand("migrate", script("raise SystemExit('no such table')")))


def test_an_engine_that_dies_ends_the_wait_for_an_errand(tmp_path: Path):
    with Supervisor(tmp_path, os.environ) as engines:
        engine = engines.start("Postgres", script("import sys; print('disk full'); sys.exit(1)"))
        guest = Child("Postgres", engine.process, engine.log)
        with Supervisor(tmp_path, os.environ, [guest]) as supervisor, pytest.raises(ProcessFailed, match="disk full"):
            supervisor.finish(supervisor.start_errand("load", STAYS))
