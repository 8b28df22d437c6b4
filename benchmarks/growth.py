"""How the daily training grows with the history, and what a training holds in memory.

    python -m benchmarks.growth                      E, 2E, 4E events and as many new ones each: ratio a doubling
    python -m benchmarks.growth --memory --share 1   peak memory of 150k items, 1.5M visitors, 10M events, by stage

Both write benchmarks/results/. CPU-seconds: other work on the machine does not change the ratios. What a training holds
does not grow with its steps, so for the memory graph and sequence make a few of each epoch, or it would take hours.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from unittest import mock

from benchmarks.process_memory import high_water_mb, reset_high_water
from benchmarks.results_store import RESULTS
from benchmarks.synthetic import DAYS, catalogue, events, joined
from recommender.encoders.graph import GraphSettings, train_graph
from recommender.encoders.progress import Progress
from recommender.encoders.sequence_training import Batches
from recommender.encoders.stack import StackSettings
from recommender.encoders.tables import VISITORS_AT_ONCE
from recommender.encoders.warm import NAME, read
from recommender.learning import PipelineSettings
from recommender.pipeline import train_version

BAR: Final = 1.15  # of CPU-seconds, a doubling
MEMORY_BAR_GB: Final = 2.0
SIZES: Final = (1, 2, 4)
EVENTS_A_VISITOR: Final = 9
COLD_EFFORT: Final = 0.05  # the training that the measured one goes on from may be short
MOST_STEPS: Final = 40  # of an epoch of the sequence encoder, and a tenth of them of the graph's, to see what they hold
FULL: Final = {"items": 150_000, "visitors": 1_500_000, "events": 10_000_000}


class StageClock:
    """CPU-seconds by stage, and the most that the process held in it, from the reports of a training."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_gb: dict[str, float] = {}
        self._stage, self._since = "", time.process_time()

    def __call__(self, progress: Progress) -> None:
        now = time.process_time()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self.peak_gb[self._stage] = max(self.peak_gb.get(self._stage, 0.0), _high_water_gb())
        if progress.stage != self._stage:
            seconds, peak = self.seconds[self._stage], self.peak_gb[self._stage]
            print(f"{self._stage or 'start'}: {seconds:.0f} CPU-s, {peak:.2f} GB", file=sys.stderr, flush=True)
            reset_high_water()
        self._stage, self._since = progress.stage, now


def warm_seconds(count: int, new: int, items: int) -> dict[str, Any]:
    """A training on `count` events and `new` more of the day after, from the version of the day before."""
    visitors, shop = count // EVENTS_A_VISITOR, catalogue(items)
    before = events(count, visitors, items, seed=1)
    yesterday = PipelineSettings(stack=StackSettings(effort=COLD_EFFORT), full_training_days=DAYS)
    left = read(train_version(before, shop, yesterday, _silent)[0].artifacts[NAME])
    log = joined(before, events(new, visitors, items, seed=2, first_day=DAYS, days=1))
    clock, began = StageClock(), time.process_time()
    table, _ = train_version(log, shop, PipelineSettings(full_training_days=DAYS), clock, left=left)
    assert table.cold is None, f"the training was from scratch: {table.cold}"
    return {
        "events": len(log),
        "cpu_seconds": time.process_time() - began,
        "stages": {name: round(seconds, 2) for name, seconds in clock.seconds.items() if name},
    }


def growth(count: int, new: int, items: int) -> dict[str, Any]:
    runs = []
    for size in SIZES:
        runs.append(in_own_process(warm_seconds, count * size, new, items))
        print(runs[-1], file=sys.stderr, flush=True)
    seconds = [run["cpu_seconds"] for run in runs]
    ratios = [after / before for before, after in zip(seconds[:-1], seconds[1:], strict=True)]
    return {"new_events": new, "items": items, "runs": runs, "ratio_a_doubling": ratios, "bar": BAR}


def peak_memory(share: float) -> dict[str, Any]:
    """Of a training from scratch in a process of its own, with a share of every number in FULL."""
    numbers = {name: max(int(value * share), 100) for name, value in FULL.items()}
    idle = in_own_process(_high_water_gb)
    return {
        "share": share,
        **numbers,
        **in_own_process(_peak, numbers),
        "idle_gb": idle,
        "bar_gb_at_full_size": MEMORY_BAR_GB,
    }


def _peak(numbers: dict[str, int]) -> dict[str, Any]:
    clock = StageClock()
    log = events(numbers["events"], numbers["visitors"], numbers["items"], seed=1)
    settings = PipelineSettings(stack=StackSettings(effort=COLD_EFFORT))
    with (
        mock.patch.object(Batches, "epoch", few_steps),
        mock.patch(f"{StackSettings.__module__}.train_graph", few_steps_of_graph),
    ):
        table, _ = train_version(log, catalogue(numbers["items"]), settings, clock)
    for at in range(0, len(table.visitor), VISITORS_AT_ONCE):
        table.visitor_vector[at : at + VISITORS_AT_ONCE]  # encoded when they are written
    stages = {name or "start": round(gb, 3) for name, gb in clock.peak_gb.items()}
    stages["vectors"] = round(max(stages["vectors"], _high_water_gb()), 3)
    return {"peak_gb": max(stages.values()), "peak_gb_of": stages, "cpu_seconds": round(sum(clock.seconds.values()))}


def few_steps(batches: Batches, generator: Any, whole: Callable[..., Any] = Batches.epoch) -> Any:
    return whole(batches, generator)[:MOST_STEPS]


def few_steps_of_graph(matrix: Any, content: Any, settings: GraphSettings, **options: Any) -> Any:
    return train_graph(matrix, content, replace(settings, steps=min(settings.steps, MOST_STEPS // 10)), **options)


def _high_water_gb() -> float:
    """Since the last stage began, torch and all."""
    return high_water_mb(os.getpid()) / 1_000


def in_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work` returns, from a fresh process: memory and caches of others do not count."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _silent(progress: Progress) -> None:
    """The numbers are the report."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000, help="E")
    parser.add_argument("--new", type=int, default=250, help="events of the last day")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--share", type=float, default=0.02, help="of the full size, for --memory (default .02)")
    options = parser.parse_args(argv)
    name = "memory" if options.memory else "growth"
    result = peak_memory(options.share) if options.memory else growth(options.events, options.new, options.items)
    RESULTS.joinpath(f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
