"""What processes hold and use, as Linux tells it under /proc."""

import os
import threading
from contextlib import suppress
from pathlib import Path


class PeakMemory:
    """The most that a server's processes held together (proportional set size), looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.pid, self.mb = pid, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.mb = max(self.mb, sum(map(held_mb, [self.pid, *children(self.pid)])))


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def held_mb(pid: int) -> float:
    """Proportional set size: memory shared by n processes counts 1/n in each."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1_000


def resident_mb(pid: int) -> float:
    """Memory shared with others counts in full."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1_000


def high_water_mb(pid: int) -> float:
    """The most that one process had resident, shared memory and all, ever or since `reset_high_water`."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmHWM:") / 1_000


def reset_high_water() -> None:
    """From now on `high_water_mb` of this process tells what it holds from now on, where the system lets it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def cpu_ms(pid: int) -> float:
    """That a process has used up to now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1_000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kilobytes(path: Path, name: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(name)), 0.0)
