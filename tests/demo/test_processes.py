"""No child outlives its parent, whatever ends the parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from demo.processes import ProcessFailed, free_port, lock_folder, start, stop, tail

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


@contextmanager
def killed(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Kill it at the end of the block, whatever happens in it."""
    try:
        yield
    finally:
        process.kill()


def wait_for(condition, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_output_and_input_go_through_the_log(tmp_path: Path):
    log = tmp_path / "logs" / "echo.log"
    child = start([sys.executable, "-c", "print(input()[::-1])"], log, stdin=b"abc\n")
    assert child.wait(20) == 0
    assert log.read_text() == "cba\n"


def test_stop_kills_a_child_that_ignores_the_signal_and_its_own_children(tmp_path: Path):
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True);"
        "time.sleep(600)"
    )
    log = tmp_path / "stubborn.log"
    child = start([sys.executable, "-c", stubborn], log)
    assert wait_for(lambda: log.exists() and log.read_text().strip())
    grandchild = int(log.read_text())
    assert stop(child, grace_seconds=0.3) == -signal.SIGKILL
    assert wait_for(lambda: not is_alive(grandchild))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path):
    log = tmp_path / "child.log"
    program = (
        f"import time; from pathlib import Path; from demo.processes import start;"
        f"print(start({SLEEPER!r}, Path({str(log)!r})).pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent, killed(parent):
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
    assert wait_for(lambda: not is_alive(child))


def test_a_taken_port_is_not_handed_out():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ProcessFailed, match="192.0.2.1"):
        free_port(8000, "192.0.2.1")


def test_a_folder_has_one_user_at_a_time(tmp_path: Path):
    handle = lock_folder(tmp_path)
    with pytest.raises(ProcessFailed, match="stop it first"):
        lock_folder(tmp_path)
    os.close(handle)
    os.close(lock_folder(tmp_path))


def test_tail_gives_the_last_lines(tmp_path: Path):
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert tail(log, 2) == "line 998\nline 999"
    assert tail(tmp_path / "missing.log") == ""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
