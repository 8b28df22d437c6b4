"""How soon is a training as good as RecTools' SASRec ever gets? CPU-seconds beside NDCG@10 on validation.

    python -m benchmarks.time_to_quality                      # MovieLens 1M, an hour for SASRec
    python -m benchmarks.time_to_quality --data amazon-beauty --budget 1200
    python -m benchmarks.time_to_quality --ours-only          # beside the curve of SASRec that the last run wrote

Both learn from the same events and are asked about the same visitors. SASRec is looked at after its epochs, until it no
longer gets better or the budget ends; the looks cost it nothing. Ours trains as a shop does, once for each effort; its
weights and its ranker learn from the validation answers of the other half of the visitors, who judge neither.
One thread each. Needs `make bench-install`. Written: benchmarks/results/time_to_quality.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.datasets import DATA_FOLDER, NAMES, load
from benchmarks.ours import Ranking, event_log, item_table, say_progress, validation
from benchmarks.peers.tuning import Validation, say
from benchmarks.quality import PEERS_PYTHON
from benchmarks.results_store import RESULTS, ROOT
from benchmarks.splits import split
from benchmarks.task import Pairs, Task, write_task
from recommender.encoders.stack import StackSettings, train_stack
from recommender.learning import Learned, PipelineSettings, teach
from recommender.stages import Stages

WRITTEN: Final = RESULTS / "time_to_quality.json"
BAR: Final = 0.2  # of the seconds that SASRec takes to its best
EFFORTS: Final = (0.1, 0.3, 0.75, 1.0)  # from .75 on the Transformer makes more epochs than two


def halves(task: Task) -> tuple[Task, Task]:
    """(whose answers teach, whose answers judge): the task with each half of the visitors' validation answers."""
    question = task.questions[0].name
    right = task.validation[question]
    visitors = np.random.default_rng(task.seed).permutation(np.unique(right.visitor))

    def of(chosen: Any) -> Task:
        mask = np.isin(right.visitor, chosen)
        return replace(task, validation={question: Pairs(right.visitor[mask], right.item[mask])})

    return of(visitors[::2]), of(visitors[1::2])


def ours(teaching: Task, judging: Task, effort: float) -> dict[str, float]:
    """CPU-seconds of a training from nothing to a ranker, and how good its lists are then."""
    settings = PipelineSettings(stack=StackSettings(seed=judging.seed, effort=effort))
    stage, began = Stages(say_progress), time.process_time()
    lesson = validation(teaching, event_log(teaching.train, teaching.has_time))
    stack = train_stack(lesson.log, item_table(teaching), settings.stack, stage)
    learned = Learned(stack, *teach(stack, lesson, settings, stage))
    seconds = time.process_time() - began
    past = replace(judging, train=judging.fit)
    ranking = Ranking.of(learned, past, event_log(past.train, past.has_time), settings)
    return {"effort": effort, "seconds": seconds, "ndcg": Validation(judging).ndcg(ranking)}


def sasrec(task: Task, is_fit: Any, budget: float, interpreter: Path) -> dict[str, Any]:
    """Its curve, learned in the peers' environment."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        write_task(task, is_fit, Path(folder) / "task")
        out = Path(folder) / "curve.json"
        argv = [str(interpreter), "-m", "benchmarks.peers.transformers", f"{folder}/task", str(out)]
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        subprocess.run([*argv, "--budget", str(budget)], cwd=ROOT, env=os.environ | one_thread, check=True)
        found: dict[str, Any] = json.loads(out.read_text())
        return found


def last_curve(data: str) -> dict[str, Any] | None:
    """SASRec's of the last run, if that was on these data."""
    last = json.loads(WRITTEN.read_text()) if WRITTEN.exists() else {}
    return last["sasrec"] if last.get("data") == data else None


def compared(looks: Sequence[dict[str, float]], runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    """SASRec's best look, and the shortest run of ours that is at least as good; its share of the seconds."""
    best = max(looks, key=lambda look: look["ndcg"])
    reached = min((run for run in runs if run["ndcg"] >= best["ndcg"]), key=lambda run: run["seconds"], default=None)
    return {"best": best, "reached": reached, "share": reached["seconds"] / best["seconds"] if reached else None}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=NAMES, default="movielens-1m")
    parser.add_argument("--data-folder", type=Path, default=DATA_FOLDER)
    parser.add_argument("--budget", type=float, default=3_600.0, help="CPU seconds of SASRec (default 3600)")
    parser.add_argument("--efforts", type=float, nargs="+", default=EFFORTS, help="of ours (default .1 .3 .75 1)")
    parser.add_argument("--ours-only", action="store_true", help="keep SASRec's curve of the last run")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    options = parser.parse_args(arguments)
    peer = last_curve(options.data) if options.ours_only else None
    if options.ours_only and peer is None:
        parser.error(f"{WRITTEN} holds no curve of SASRec on {options.data}: run it without --ours-only once.")
    if not options.ours_only and not options.peers_python.exists():
        parser.error(f"{options.peers_python} is missing. `make bench-install` makes it.")
    torch.set_num_threads(1)
    task, is_fit, _truth = split(load(options.data, options.data_folder), "leave-one-out")
    teaching, judging = halves(task)
    runs = []
    for effort in options.efforts:
        runs.append(ours(teaching, judging, effort))
        say(f"ours, effort {effort:g}: validation NDCG@10 {runs[-1]['ndcg']:.4f} after {runs[-1]['seconds']:.0f} s")
    peer = peer or sasrec(judging, is_fit, options.budget, options.peers_python)
    result = {"data": options.data, "ours": runs, "sasrec": peer, **compared(peer["looks"], runs), "bar": BAR}
    WRITTEN.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("best", "reached", "share", "bar")}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
