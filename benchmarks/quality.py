"""How good are the lists? Ours and the peers on the same data, the same split, with the same metric code, in one run.

    python -m benchmarks.quality                                          # all data sets, every model
    python -m benchmarks.quality --data amazon-beauty --split leave-one-out
    python -m benchmarks.quality --interactions events.csv.gz --items items.csv.gz
    python -m benchmarks.quality --models transitions ours --budget 120

All items are ranked, never a sample. Each model tunes itself on the validation part, learns from all of train and ranks
in a process of its own, one after the other. What is finished is kept: the same command goes on where it stopped.
The neural peers need `make bench-install`. Written: benchmarks/results/quality.md, quality.json, quality/.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.csv_table import UnusableFile
from benchmarks.datasets import DATA_FOLDER, NAMES, Dataset, from_csv, load
from benchmarks.models import MODELS
from benchmarks.process_memory import cpu_ms
from benchmarks.report import measure, show, write_reports
from benchmarks.results_store import ROOT, Place, fingerprint, finished, write_failure, write_result
from benchmarks.splits import SPLITS, CannotSplit, split
from benchmarks.task import write_task

PEERS_PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"
POLL_SECONDS: Final = 0.3
LONGEST_BUDGETS: Final = 6  # a model that takes longer, and ten minutes, is stopped
PATIENCE: Final = 8  # times that by the clock, where other work takes the processor
console: Final = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Options:
    models: tuple[str, ...]
    budget: float
    fresh: bool
    seed: int
    peers_python: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every model ran, 1 when one failed or nothing could be measured, 2 when a file is unusable."""
    parsed = parser().parse_args(arguments)
    peers_python = parsed.peers_python or (PEERS_PYTHON if PEERS_PYTHON.exists() else None)
    options = Options(runnable(parsed.models, peers_python), parsed.budget, parsed.fresh, parsed.seed, peers_python)
    entries = []
    try:
        for data in data_sets(parsed):
            entries += run_first(data, splits_to_try(parsed.split, data), options)
    except UnusableFile as error:
        say(str(error))
        return 2
    write_reports(entries)
    show(entries)
    return int(not entries or any("failed" in model for entry in entries for model in entry["models"].values()))


def splits_to_try(asked: str | None, data: Dataset) -> tuple[str, ...]:
    """What was asked for and nothing else; else by time where that is possible, and the last item where it is not."""
    if asked is not None:
        return (asked,)
    return SPLITS if data.has_time else ("leave-one-out",)


def run_first(data: Dataset, splits: Sequence[str], options: Options) -> list[dict[str, Any]]:
    """The entries of the first split that the data allow; says why the others are not possible."""
    for how in splits:
        try:
            return run(data, how, options)
        except CannotSplit as error:
            say(str(error))
    return []


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--data", nargs="+", choices=NAMES, default=NAMES, help="data sets (default: all)")
    found.add_argument("--data-folder", type=Path, default=DATA_FOLDER, help="holds ml-1m/ and amazon-beauty/")
    found.add_argument("--interactions", type=Path, help="another set: CSV with user, item, timestamp or pos, kind")
    found.add_argument("--items", type=Path, help="its items: CSV with item, title, attributes")
    found.add_argument("--split", choices=SPLITS, help="default: time where there are timestamps, else leave-one-out")
    found.add_argument("--models", nargs="+", choices=MODELS, default=tuple(MODELS), help="default: all")
    found.add_argument("--budget", type=float, default=300.0, help="CPU seconds to tune and learn (default 300)")
    found.add_argument("--fresh", action="store_true", help="run again what is finished")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--peers-python", type=Path, help="interpreter of the neural peers (default .venv-peers)")
    return found


def runnable(names: Sequence[str], peers_python: Path | None) -> tuple[str, ...]:
    """The models that can run here; says which cannot."""
    apart = [name for name in names if MODELS[name].is_apart]
    if apart and peers_python is None:
        say(f"Skipped, since .venv-peers is missing: {', '.join(apart)}. `make bench-install` makes it.")
        return tuple(name for name in names if name not in apart)
    return tuple(names)


def data_sets(parsed: argparse.Namespace) -> Iterator[Dataset]:
    """One after the other, so that one at a time is in memory."""
    if parsed.interactions is not None:
        yield from_csv(parsed.interactions, parsed.items)
    elif parsed.items is not None:
        raise UnusableFile("--items needs --interactions, the events of the same shop.")
    else:
        for name in parsed.data:
            yield load(name, parsed.data_folder)


def run(data: Dataset, how: str, options: Options) -> list[dict[str, Any]]:
    """Run what is not finished; one entry of the report for each question."""
    say(f"Splitting {data.name} ({len(data.log):,} events, {len(data.items):,} items) by {how}")
    task, is_fit, truth = split(data, how, options.seed)
    mark = fingerprint(task, options.budget)
    places = [Place(data.name, how, name) for name in options.models]
    waiting = [place for place in places if options.fresh or not finished(place, mark)]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, Progress(*columns, console=console) as bar:
        write_task(task, is_fit, Path(folder))
        row = bar.add_task(f"{data.name} by {how}", total=len(places), completed=len(places) - len(waiting))
        for place in waiting:
            error = run_apart(place, Path(folder), options, bar, row)
            if error:
                say(f"{place.model} failed: {error}")
                write_failure(place, mark, error)
            else:
                write_result(place, mark)
            bar.advance(row)
    return measure(task, truth, mark)


def run_apart(place: Place, folder: Path, options: Options, bar: Progress, row: TaskID) -> str:
    """Run one model in a process of its own; "" or the last line of what it said when it failed."""
    place.empty()
    log = place.folder / "log.txt"
    interpreter = options.peers_python if MODELS[place.model].is_apart else Path(sys.executable)
    argv = [str(interpreter), "-m", "benchmarks.run_one", place.model, str(folder), str(place.folder)]
    began, longest = time.monotonic(), LONGEST_BUDGETS * options.budget + 600
    with log.open("w") as output:
        process = subprocess.Popen(
            [*argv, "--budget", str(options.budget)],
            cwd=ROOT,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None and not is_late(process.pid, time.monotonic() - began, longest):
                bar.update(row, description=f"{place.data} by {place.split}: {place.model} {_last_line(log, 40)}")
                time.sleep(POLL_SECONDS)
            late = process.poll() is None
        finally:
            process.kill()
            status = process.wait()
    if late:
        return f"not done after {LONGEST_BUDGETS} budgets and 600 s; raise --budget"
    if status < 0:  # what it said last was said before, and is no reason
        return f"killed by signal {-status}" + (", probably out of memory" if -status == signal.SIGKILL else "")
    return "" if status == 0 else (_last_line(log, 300) or f"ended with status {status}")


def is_late(pid: int, seconds: float, longest: float) -> bool:
    """Whether a process has used more than `longest` seconds of `seconds`: by the clock, or by its processor time where
    that is less, as on a busy machine, and where it can be told."""
    if seconds <= longest:
        return False
    used = cpu_ms(pid) / 1_000 if Path("/proc/self/stat").exists() else seconds
    return used > longest or seconds > PATIENCE * longest


def say(text: str) -> None:
    """One line beside the bars, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _last_line(log: Path, width: int) -> str:
    """The end of what the model said last; a progress bar's line counts up to its last carriage return."""
    with log.open("rb") as opened:
        opened.seek(max(0, log.stat().st_size - 4_096))
        lines = opened.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip()[:width] for line in reversed(lines) if line.strip()), "")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the model's process is ended too
    sys.exit(main())
