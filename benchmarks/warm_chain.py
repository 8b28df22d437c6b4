"""What daily trainings lose that go on from one another, beside one from scratch on the same events.

    python -m benchmarks.warm_chain --data complete-journey              # six days in a row
    python -m benchmarks.warm_chain --data amazon-beauty --days 6

The first training is from scratch, and each of the next days goes on from the version of the day before, as a shop does
between two full ones (FULL_TRAINING_DAYS). The last one and a training from scratch have the same events, the same
validation and the same holdout; both are judged as the gate judges. Written: benchmarks/results/warm_chain.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.datasets import DATA_FOLDER, NAMES, load
from benchmarks.ours import event_log, item_table, say_progress
from benchmarks.peers.tuning import say
from benchmarks.results_store import RESULTS
from benchmarks.splits import split
from recommender.capture.tables import EventLog, ItemTable
from recommender.encoders.stack import StackSettings
from recommender.encoders.tables import Cold
from recommender.encoders.warm import NAME, Left, read
from recommender.learning import PipelineSettings
from recommender.pipeline import train_version

BAR: Final = 0.98  # of the NDCG@10 of a training from scratch
DAY: Final = 86_400  # seconds
METRICS: Final = ("ndcg@10", "new_ndcg@10")


def trained(
    log: EventLog, items: ItemTable, settings: PipelineSettings, left: Left | Cold
) -> tuple[Left, dict[str, Any]]:
    """(what the version leaves, its CPU-seconds and how good the judge found it)."""
    began = time.process_time()
    table, verdict = train_version(log, items, settings, say_progress, left=left)
    found = {metric: verdict.metrics["ours"][metric] for metric in METRICS}
    about = {"events": len(log), "from_scratch": table.cold is not None, "cpu_seconds": time.process_time() - began}
    say(f"{about | found}")
    return read(table.artifacts[NAME]), about | found


def chain(log: EventLog, items: ItemTable, settings: PipelineSettings, days: int) -> dict[str, Any]:
    """A training `days` before the end of the log, one each day after it, and one of the end from scratch."""
    end = int(log.at[-1]) + 1
    left: Left | Cold = Cold.NOTHING
    runs = []
    for back in range(days, -1, -1):
        left, run = trained(log.before(end - back * DAY), items, settings, left)
        runs.append(run)
    _left, full = trained(log, items, settings, Cold.NOTHING)
    last = runs[-1]
    return {
        "chain": runs,
        "from_scratch": full,
        "of_from_scratch": {metric: last[metric] / full[metric] for metric in METRICS if full[metric]},
        "cpu_of_from_scratch": last["cpu_seconds"] / full["cpu_seconds"],
        "bar": BAR,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=NAMES, default="complete-journey")
    parser.add_argument("--data-folder", type=Path, default=DATA_FOLDER)
    parser.add_argument("--days", type=int, default=6, help="of trainings that go on (default 6)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    task, _is_fit, _truth = split(load(options.data, options.data_folder), "time", options.seed)
    settings = PipelineSettings(stack=StackSettings(seed=options.seed), full_training_days=options.days + 1)
    result = chain(event_log(task.train, task.has_time), item_table(task), settings, options.days)
    kept = RESULTS / "warm_chain.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    kept.write_text(json.dumps(before | {options.data: result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
