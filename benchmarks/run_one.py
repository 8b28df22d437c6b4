"""Fit one model on one task and write its lists: `python -m benchmarks.run_one MODEL TASK OUT --budget 300`.

MODEL is a name of benchmarks/models.py or module:Class. OUT gets lists_<question>.npy ([asked, n] int32, -1 for none)
and cost.json. Needs numpy and what the model needs, so that it runs in the peers' environment too.
"""

import argparse
import importlib
import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.models import MODELS
from benchmarks.task import Model, Task, read_task

CHUNK: Final = 1_024  # visitors asked at once
PACKAGES: Final = ("numpy", "scipy", "scikit-learn", "torch", "torch-geometric", "rectools", "pm-implicit")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of benchmarks/models.py, or module:Class")
    parser.add_argument("task", type=Path, help="folder of the task")
    parser.add_argument("out", type=Path, help="folder for lists and cost")
    parser.add_argument("--budget", type=float, default=300.0, help="CPU seconds to tune and learn (default 300)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cost = run(load(options.model), read_task(options.task), options.out, options.budget)
    (options.out / "cost.json").write_text(json.dumps(cost, indent=2, default=str) + "\n")
    return 0


def load(name: str) -> Model:
    """An instance of the model's class."""
    module, _, attribute = (MODELS[name].path if name in MODELS else name).partition(":")
    model: Model = getattr(importlib.import_module(module), attribute)()
    return model


def run(model: Model, task: Task, out: Path, budget_seconds: float) -> dict[str, Any]:
    """Fit, rank for every question, write the lists; what it cost."""
    began, cpu = time.perf_counter(), cpu_seconds()
    model.fit(task, budget_seconds)
    fit_seconds, fit_cpu = time.perf_counter() - began, cpu_seconds() - cpu
    began = time.perf_counter()
    for question in task.questions:
        chunks = [task.asked[at : at + CHUNK] for at in range(0, len(task.asked), CHUNK)]
        lists = [np.asarray(model.top(chunk, task.n, question.exclude_taken), dtype=np.int32) for chunk in chunks]
        np.save(out / f"lists_{question.name}.npy", np.concatenate(lists))
    asked = len(task.asked) * len(task.questions)
    return {
        "fit_seconds": round(fit_seconds, 2),
        "cpu_seconds": round(fit_cpu, 2),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "ranking_seconds_per_1000": round((time.perf_counter() - began) / asked * 1000, 3),
        "budget_seconds": budget_seconds,
        "settings": getattr(model, "settings", {}),
        "versions": versions(),
    }


def cpu_seconds() -> float:
    """Used by this process and its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def versions() -> dict[str, str]:
    """Of Python and of the packages that are loaded."""
    found = {"python": sys.version.split()[0]}
    modules = {"scikit-learn": "sklearn", "torch-geometric": "torch_geometric", "pm-implicit": "implicit"}
    for package in PACKAGES:
        if modules.get(package, package) in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found


if __name__ == "__main__":
    sys.exit(main())
