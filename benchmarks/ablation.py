"""What does each part add? The encoders are trained once; then one part after the other is taken away.

    python -m benchmarks.ablation --data amazon-beauty
    python -m benchmarks.ablation --data complete-journey
    python -m benchmarks.ablation --what augmentations --visitors 7000 --effort 0.3 --seed 1

A part of the fused vector loses its weight, a relation its links, the ranker a group of its features; the ranker is
learned anew each time, by the same rules. "without going on" leaves the encoders before the validation part, "start of
the ranker" and "cosine alone" leave out what it learned. An augmentation has its encoders trained anew, and is compared
with none. Written: benchmarks/results/ablation.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from rich.console import Console
from rich.table import Table

from benchmarks.datasets import DATA_FOLDER, NAMES, load, sample
from benchmarks.judging import judge
from benchmarks.ours import Ranking, event_log, item_table, say_progress, validation
from benchmarks.splits import SPLITS, CannotSplit, Truth, split
from benchmarks.task import Task
from recommender.dataset.augmentations import AUGMENTATIONS
from recommender.dataset.ranking_features import OWN, RELATIONS, STATISTICS
from recommender.encoders.fusion import lay_out
from recommender.encoders.ranker import MIN_VISITORS, start_of
from recommender.encoders.stack import Stack, StackSettings, train_stack
from recommender.encoders.training import State
from recommender.learning import Learned, PipelineSettings, go_on, learn_ranker, weigh
from recommender.stages import Stages

RESULTS: Final = Path(__file__).parent / "results" / "ablation.json"
REPEATS: Final = (*OWN, "own_share", "overdue", "habit")
Floats = dict[str, float]


@dataclass
class Shared:
    """Steps that no augmentation changes, made once. `states`: (step, settings of the graph) → what the step made."""

    states: dict[object, State] = field(default_factory=dict)

    def keep(self, step: str, settings: StackSettings, compute: Callable[[], State]) -> State:
        if step == "sequence":
            return compute()
        key = (step, settings.graph if step == "graph" else None)
        if key not in self.states:
            self.states[key] = compute()
        return self.states[key]


class Ablation:
    """One data set: encoders that know the log before the validation part, and ones that went on with all of train."""

    def __init__(self, task: Task, truth: Truth, settings: PipelineSettings, shared: Shared) -> None:
        self.task, self.truth, self.settings = task, truth, settings
        self.train, self.items = event_log(task.train, task.has_time), item_table(task)
        self.lesson = validation(task, self.train)
        stage = Stages(say_progress)
        self.before = train_stack(
            self.lesson.log,
            self.items,
            settings.stack,
            stage,
            keep=lambda step, compute: shared.keep(step, settings.stack, compute),
        )
        self.parts = weigh(self.before, self.lesson)
        self.after = go_on(self.before.start(self.lesson.since), self.train, self.items, settings, stage, "refit")

    def variants(self) -> Iterator[tuple[str, Learned]]:
        """(name, what is asked): everything first."""
        everything = self.learned()
        yield "everything", everything
        for part in self.parts:
            weights = {other.name: other.weight * (other.name != part.name) for other in self.parts}
            yield f"without {part.name}", self.learned(parts=lay_out(self.before.dims, weights))
        for relation in RELATIONS:
            yield f"without {relation} links", self.learned(change=without_links(relation))
        yield "without any links", self.learned(change=without_links(*RELATIONS))
        yield "without item statistics", self.learned(features=STATISTICS)
        yield "without the network of habits", self.learned(features=("habit",))
        yield "without own purchases", self.learned(features=REPEATS)
        yield "without going on", replace(everything, stack=self.before)
        yield "start of the ranker", replace(everything, ranker=start_of(everything.ranker))
        yield "cosine alone", replace(everything, ranker={})

    def learned(
        self,
        parts: Any = None,
        change: Callable[[Stack], Stack] = lambda stack: stack,
        features: tuple[str, ...] = (),
    ) -> Learned:
        parts = parts or self.parts
        ranker = learn_ranker(change(self.before), parts, self.lesson, self.settings, without=features)
        return Learned(change(self.after), parts, ranker)

    def measured(self, learned: Learned) -> Floats:
        """question → NDCG@10."""
        ranking = Ranking.of(learned, self.task, self.train, self.settings)
        task = self.task
        return {
            question.name: judge(
                task, self.truth, question.name, ranking.top(task.asked, task.n, question.exclude_taken)
            ).metrics["ndcg@10"]
            for question in task.questions
        }


def without_links(*relations: str) -> Callable[[Stack], Stack]:
    def change(stack: Stack) -> Stack:
        empty = {name: sp.csr_matrix(stack.links[name].shape, dtype=np.float32) for name in relations}
        return replace(stack, links=stack.links | empty)

    return change


def without_parts(task: Task, truth: Truth, stack: StackSettings) -> Iterator[tuple[str, Floats]]:
    """(variant, question → NDCG@10), encoders trained once."""
    ablation = Ablation(task, truth, PipelineSettings(stack=stack), Shared())
    for name, learned in ablation.variants():
        yield name, ablation.measured(learned)


def with_augmentations(task: Task, truth: Truth, stack: StackSettings) -> Iterator[tuple[str, Floats]]:
    """(variant, question → NDCG@10), encoders trained for each."""
    shared = Shared()
    variants = {"no augmentation": (), **{f"with {name}": (name,) for name in AUGMENTATIONS}}
    for name, augmentations in variants.items():
        ablation = Ablation(task, truth, PipelineSettings(stack=stack.augmented(augmentations)), shared)
        yield name, ablation.measured(ablation.learned())


WHAT: Final = {"parts": without_parts, "augmentations": with_augmentations}


def run(variants: Iterator[tuple[str, Floats]]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    began = time.monotonic()
    for name, values in variants:
        found[name] = values
        print(f"{name} {values} ({time.monotonic() - began:.0f} s)", file=sys.stderr)
    return found


def show(title: str, found: dict[str, Floats]) -> None:
    first = next(iter(found))
    questions = list(found[first])
    table = Table("", *(column for question in questions for column in (f"NDCG@10 {question}", f"of {first}")))
    table.title = title
    for name, values in found.items():
        cells = [
            cell
            for question in questions
            for cell in (f"{values[question]:.4f}", f"{values[question] / found[first][question]:.3f}")
        ]
        table.add_row(name, *cells)
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=NAMES, default="amazon-beauty")
    parser.add_argument("--split", choices=SPLITS, default="time")
    parser.add_argument("--data-folder", type=Path, default=DATA_FOLDER)
    parser.add_argument("--what", choices=WHAT, default="parts")
    parser.add_argument("--visitors", type=int, metavar="N", help="so many of them (default: all)")
    parser.add_argument("--effort", type=float, default=1.0, help="scales epochs (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        data = load(options.data, options.data_folder)
        data = sample(data, options.visitors) if options.visitors else data
        task, _, truth = split(data, options.split, options.seed)
    except CannotSplit as error:
        print(error, file=sys.stderr)
        return 1
    if len(task.asked) < MIN_VISITORS:
        print(f"{options.data} has too few visitors to ask.", file=sys.stderr)
        return 1
    stack = StackSettings(seed=options.seed, effort=options.effort)
    found = run(WHAT[options.what](task, truth, stack))
    key = f"{options.data} by {options.split}, {options.what}, seed {options.seed}"
    show(key, found)
    about = {"effort": options.effort, "visitors": options.visitors or "all", "asked": len(task.asked)}
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(kept | {key: about | {"ndcg@10": found}}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
