"""Keeps the demo's programs together: when one ends, all end, and the reason is told."""

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from demo.processes import ProcessFailed, start, stop, tail

ROOT: Final = Path(__file__).resolve().parent.parent
GRACE_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running program of the demo.

    Attributes:
        log: where it writes; None: to our own output.
        is_errand: it is meant to end by itself.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path | None
    is_errand: bool = False

    @property
    def has_failed(self) -> bool:
        """It ended, and not as it was meant to."""
        status = self.process.poll()
        return status is not None and not (self.is_errand and status == 0)


class Supervisor:
    """Starts programs in the project's folder, each with its own log; leaving the `with` block stops them.

    Args:
        log_folder: `<name>.log` of each program.
        environment: of each program.
        guests: programs that somebody else starts and stops; only watched.
    """

    def __init__(self, log_folder: Path, environment: Mapping[str, str], guests: Sequence[Child] = ()) -> None:
        self.log_folder = log_folder
        self.environment = environment
        self.guests = list(guests)
        self.children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a program that is meant to run until we stop it; its log begins anew."""
        log = self.log_folder / f"{name}.log"
        log.unlink(missing_ok=True)
        return self._start(name, argv, log)

    def start_errand(self, name: str, argv: Sequence[str], has_log: bool = True) -> Child:
        """Start a program that is meant to end by itself; `finish` waits for it."""
        log = self.log_folder / f"{name}.log"
        log.unlink(missing_ok=True)
        return self._start(name, argv, log if has_log else None, is_errand=True)

    def finish(self, errand: Child) -> None:
        """Wait for the end of an errand.

        Raises:
            ProcessFailed: it, or another program of the demo, failed.
        """
        while errand.process.poll() is None:
            self.check()
            time.sleep(0.05)
        self.check()
        self.children.remove(errand)

    def check(self) -> None:
        """Raise when a program failed.

        Raises:
            ProcessFailed: with its last lines.
        """
        for child in [*self.children, *self.guests]:
            if child.has_failed:
                raise ProcessFailed(_obituary(child))

    def _start(self, name: str, argv: Sequence[str], log: Path | None, is_errand: bool = False) -> Child:
        child = Child(name, start(argv, log, env=self.environment, cwd=ROOT), log, is_errand)
        self.children.append(child)
        return child

    def stop(self) -> None:
        """Ask all to end, the youngest first; kill those that take too long, and whatever they started."""
        ours = [child.process for child in reversed(self.children)]
        started = [process for child in ours for process in _descendants(child.pid)]  # some have sessions of their own
        for process in ours:
            process.terminate()  # does nothing to one that has ended
        deadline = time.monotonic() + GRACE_SECONDS
        for process in ours:
            stop(process, None, grace_seconds=max(0.1, deadline - time.monotonic()))
        # A training hands its run back before it ends.
        _gone, left = psutil.wait_procs(started, timeout=max(0.1, deadline - time.monotonic()))
        for straggler in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
        psutil.wait_procs(left, timeout=1)
        self.children.clear()


def _descendants(pid: int) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        found += psutil.Process(pid).children(recursive=True)
    return found


def _obituary(child: Child) -> str:
    status = child.process.returncode
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
    if child.log is None:
        return f"{child.name} {how}; its output is above."
    return f"{child.name} {how}. The end of its log {child.log}:\n\n{tail(child.log, 25)}"
