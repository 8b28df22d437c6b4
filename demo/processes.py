"""Child processes that never outlive us: start, stop, and what a dead one said last."""

import contextlib
import ctypes
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
# Loaded before any fork: a child between fork and exec must not import.
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProcessFailed(Exception):
    """A part of the demo ended on its own; the message holds its last lines and the path of its log."""


def start(
    argv: Sequence[str | Path],
    log: Path | None,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: pwd.struct_passwd | None = None,
    stdin: bytes = b"",
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that a Ctrl-C in the terminal reaches only us.

    Args:
        log: output is appended here; None: the child writes to our own output.
        account: run as this user; only root can.
        stdin: short input, at most a pipe's buffer (64 KiB).
        death_signal: what the kernel sends to the child when we die, even by SIGKILL (Linux only).
    """
    with _output(log) as output:
        child = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with(os.getpid(), death_signal),
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(stdin)
    return child


def _output(log: Path | None) -> contextlib.AbstractContextManager[IO[bytes] | None]:
    if log is None:
        return contextlib.nullcontext()
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    """What the child runs before exec and after the change of user, which would clear it: end when `parent` dies."""
    if _LIBC is None:
        return None
    prctl, number = _LIBC.prctl, int(death_signal)

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return ask


def stop(
    child: subprocess.Popen[bytes], stop_signal: signal.Signals | None = signal.SIGTERM, grace_seconds: float = 10
) -> int:
    """Ask the child to end (None: it was asked), then kill what is left of its process group; returns the status."""
    if stop_signal is not None and child.poll() is None:
        child.send_signal(stop_signal)
    try:
        status = child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        status = child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # its own children, where it left some
    return status


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """`preferred` where nobody listens on it, else a port that the system gives.

    Raises:
        ProcessFailed: this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (preferred, 0):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that closes is free
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return int(probe.getsockname()[1])
    raise ProcessFailed(f"Cannot listen on {host}: it is no address of this machine.")


def lock_folder(folder: Path) -> int:
    """Claim a folder for this process until the returned handle is closed or the process ends, however it ends.

    Raises:
        ProcessFailed: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ProcessFailed(f"Another process uses {folder}: stop it first.") from None
    return handle
