"""Keeps the demo's programs together: when one ends, all end, and the reason is told."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from demo.processes import ProcessFailed, start, stop, tail

ROOT: Final = Path(__file__).resolve().parent.parent
GRACE_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running program of the demo; `log` is None when it writes to our own output."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path | None


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

    def start(self, name: str, argv: Sequence[str], has_log: bool = True) -> Child:
        """Start a program; its log begins anew, or without one it writes to our own output."""
        log = self.log_folder / f"{name}.log" if has_log else None
        if log is not None:
            log.unlink(missing_ok=True)
        child = Child(name, start(argv, log, env=self.environment, cwd=ROOT), log)
        self.children.append(child)
        return child

    def finish(self, child: Child) -> None:
        """Wait for a program that is meant to end by itself.

        Raises:
            ProcessFailed: it ended with an error.
        """
        while child.process.poll() is None:
            self.check(but=child)
            time.sleep(0.05)
        self.children.remove(child)
        if child.process.returncode != 0:
            raise ProcessFailed(_obituary(child))

    def check(self, but: Child | None = None) -> None:
        """Raise when a program ended that should still run.

        Raises:
            ProcessFailed: with its last lines.
        """
        for child in [*self.children, *self.guests]:
            if child is not but and child.process.poll() is not None:
                raise ProcessFailed(_obituary(child))

    def stop(self) -> None:
        """Ask all to end at once, the youngest first, then kill those that take too long."""
        ours = [child.process for child in reversed(self.children)]
        for process in ours:
            process.terminate()  # does nothing to one that has ended
        deadline = time.monotonic() + GRACE_SECONDS
        for process in ours:
            stop(process, None, grace_seconds=max(0.1, deadline - time.monotonic()))
        self.children.clear()


def _obituary(child: Child) -> str:
    status = child.process.returncode
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
    if child.log is None:
        return f"{child.name} {how}; its output is above."
    return f"{child.name} {how}. The end of its log {child.log}:\n\n{tail(child.log, 25)}"
