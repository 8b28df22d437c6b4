"""How good are the lists? Ours and the peers on one split, with one metric code, in one run.

    python -m benchmarks.quality            # Complete Journey, next basket of December 2017

Trained on what was bought before 2017-12-01; asked for each household's first basket from then on. Ranked are all
products with at least five purchases before the cut. "new" ranks and counts only products that the household had never
bought. The weights and the ranker are chosen on the two weeks before the cut, with encoders that have not seen them.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import complete_journey
from benchmarks.peers import ease
from recommender.dataset.sequences import histories
from recommender.dataset.split import holdout_start, split_by_time
from recommender.encoders.progress import Progress as StageProgress
from recommender.encoders.stack import StackSettings, train_stack
from recommender.pipeline import PipelineSettings, Stages, compare, learn_ranker, weigh

METRICS = ("ndcg@10", "recall@20", "new_ndcg@10", "new_recall@20")
RESULTS = Path(__file__).parent / "results" / "quality.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=float, default=1.0, help="scales the epochs of the encoders (default 1.0)")
    parser.add_argument("--no-ease", action="store_true", help="leave EASE out (a minute, 1 GB)")
    options = parser.parse_args()
    result = run(options.seed, options.effort, with_ease=not options.no_ease)
    show(result)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def run(seed: int, effort: float, *, with_ease: bool) -> dict[str, object]:
    """Fit everything on Complete Journey and ask about December."""
    log, items, cut = complete_journey.load()
    settings = PipelineSettings(stack=StackSettings(seed=seed, effort=effort))
    train, holdout = split_by_time(log, cut)
    fit, validation = split_by_time(train, holdout_start(train, settings.validation_days))
    began = time.monotonic()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task("training", total=1.0)

        def report(progress: StageProgress) -> None:
            bar.update(
                task, description=f"{progress.stage} {progress.epoch}/{progress.epochs}", completed=progress.fraction
            )

        stage = Stages(report)
        stack = train_stack(fit, items, settings.stack, stage)
        stage("fusion")
        parts = weigh(stack, fit, validation)
        ranker = learn_ranker(stack, parts, fit, validation, settings)
        fit_seconds = time.monotonic() - began
        stage("judge")
        grouped = histories(train, stack.items)
        peers = {"ease_8000": ease(grouped, len(stack.items), cut)} if with_ease else {}
        comparison = compare(stack, parts, ranker, train, holdout, settings, peers)
    return {
        "data": "Complete Journey",
        "cut": "2017-12-01",
        "visitors": comparison.visitors,
        "items": len(items),
        "seed": seed,
        "fit_seconds": round(fit_seconds, 1),
        "weights": {part.name: round(part.weight, 4) for part in parts},
        "metrics": comparison.metrics,
        "standard_errors": comparison.errors,
    }


def show(result: dict[str, object]) -> None:
    metrics = result["metrics"]
    assert isinstance(metrics, dict)
    table = Table(title=f"{result['data']}, {result['visitors']} households, {result['items']} products")
    table.add_column("ranker")
    for name in METRICS:
        table.add_column(name, justify="right")
    for name, values in sorted(metrics.items(), key=lambda pair: pair[1]["ndcg@10"]):
        table.add_row(name, *(f"{values[metric]:.4f}" for metric in METRICS))
    console = Console()
    console.print(table)
    console.print(f"fit in {result['fit_seconds']} s, weights {result['weights']}")


if __name__ == "__main__":
    sys.exit(main())
