"""Finished runs → entries of the report, tables on the terminal, Markdown and JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.judging import Answer, Ratio, bootstrap_ratio, by_history, item_popularity, judge
from benchmarks.models import MODELS, OURS
from benchmarks.results_store import RESULTS, Place, read_lists, read_result
from benchmarks.splits import Truth
from benchmarks.task import Pairs, Task

Entry = dict[str, Any]
MIN_WIDTH: Final = 150  # narrower, the tables cannot be read
METRICS: Final = {
    "NDCG@10": "ndcg@10",
    "Recall@10": "recall@10",
    "Recall@20": "recall@20",
    "MRR": "mrr",
    "HR@10": "hit_rate@10",
    "coverage": "coverage@10",
    "popularity": "mean_popularity",
    "novelty": "novelty_bits",
}
COSTS: Final = {
    "fit s": "fit_seconds",
    "CPU s": "cpu_seconds",
    "MB": "peak_memory_mb",
    "s / 1000": "ranking_seconds_per_1000",
}


def measure(task: Task, truth: Truth, mark: str) -> list[Entry]:
    """One entry a question: every model with a run of this fingerprint, and ours over the best peer."""
    places = {name: Place(task.name, task.split, name) for name in MODELS}
    costs = {name: result for name, place in places.items() if (result := read_result(place, mark)) is not None}
    return [_entry(task, truth, question.name, places, costs) for question in task.questions] if costs else []


def _entry(
    task: Task, truth: Truth, question: str, places: Mapping[str, Place], costs: Mapping[str, dict[str, Any]]
) -> Entry:
    answers: dict[str, Answer] = {}
    models: dict[str, dict[str, Any]] = {}
    for name, cost in costs.items():
        models[name] = {key: value for key, value in cost.items() if key != "fingerprint"}
        if "failed" not in cost:
            answers[name] = judge(task, truth, question, read_lists(places[name], question))
            models[name] |= answers[name].metrics
    return {
        "data": task.name,
        "split": task.split,
        "question": question,
        "seed": task.seed,
        "visitors": task.visitors,
        "items": task.items,
        "events": len(task.train),
        "asked": len(np.unique(truth.right[question].visitor)),
        "models": models,
        "untaken": _untaken(task, truth.right[question]),
        "ratios": {name: asdict(ratio) for name, ratio in _ratios(task, truth, answers).items()},
    }


def _untaken(task: Task, right: Pairs) -> dict[str, int]:
    """How many items of the catalogue nobody took in train, which of them are answers, and answers outside of it."""
    untaken = np.flatnonzero(item_popularity(task.train) == 0)
    return {
        "items": len(untaken),
        "answers": int(np.isin(untaken, right.item).sum()),
        "unknown_answers": len(np.unique(right.item[right.item >= task.items])),
    }


def _ratios(task: Task, truth: Truth, answers: Mapping[str, Answer]) -> dict[str, Ratio]:
    """Ours over the best peer: of all visitors, of each group of them, and on cold items (Recall@20)."""
    if OURS not in answers:
        return {}
    peers = {name: answer for name, answer in answers.items() if name != OURS}
    everybody = {"all": np.ones(len(task.asked), dtype=bool)}
    found = {
        name: bootstrap_ratio(answers[OURS].ndcg[mask], {peer: a.ndcg[mask] for peer, a in peers.items()}, task.seed)
        for name, mask in (everybody | by_history(task, truth)).items()
    }
    found["cold items"] = bootstrap_ratio(answers[OURS].cold, {peer: a.cold for peer, a in peers.items()}, task.seed)
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def write_reports(entries: Sequence[Entry]) -> None:
    """quality.json and quality.md: these entries, and the earlier ones of other data sets and splits."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "quality.json"
    earlier = json.loads(path.read_text()) if path.is_file() else []
    fresh = {(entry["data"], entry["split"]) for entry in entries}
    kept = [entry for entry in earlier if (entry["data"], entry["split"]) not in fresh]
    both = sorted([*kept, *entries], key=lambda entry: (entry["data"], entry["split"], entry["question"]))
    path.write_text(json.dumps(both, indent=1) + "\n")
    (RESULTS / "quality.md").write_text("\n".join(["# Quality of the lists", *map(markdown, both)]))


def show(entries: Sequence[Entry]) -> None:
    """The tables on the terminal."""
    console = Console()
    console.width = max(console.width, MIN_WIDTH)
    for entry in entries:
        for title, columns, rows in tables(entry):
            table = Table(title=title)
            for number, column in enumerate(columns):
                table.add_column(column, justify="right" if number else "left")
            for row in rows:
                table.add_row(*row, style="bold" if row[0] == OURS else None)
            console.print(table)
        console.print(*ratio_lines(entry), sep="\n", markup=False)


def markdown(entry: Entry) -> str:
    """The same as Markdown."""
    lines: list[str] = []
    for title, columns, rows in tables(entry):
        lines += [f"\n{'##' if not lines else '###'} {title}\n", _row(columns), _row(["---"] * len(columns))]
        lines += [_row(row) for row in rows]
    return "\n".join([*lines, "", *(f"- {line}" for line in ratio_lines(entry)), ""])


def tables(entry: Entry) -> list[tuple[str, list[str], list[list[str]]]]:
    """(title, columns, rows) of quality, of groups of visitors and items, and of cost; best model first."""
    where = f"{entry['data']}, {entry['split']}, {entry['question']}"
    size = f"{entry['asked']:,} visitors asked, {entry['items']:,} items, {entry['events']:,} events"
    models = sorted(entry["models"].items(), key=lambda pair: -pair[1].get("ndcg@10", -1.0))
    quality, groups, costs = [["model", *METRICS]], [["model"]], [["model", *COSTS]]
    for name, found in models:
        if "failed" in found:
            quality.append([name, f"failed: {found['failed']}", *[""] * (len(quality[0]) - 2)])
            continue
        quality.append([name, *(_number(found[key]) for key in METRICS.values())])
        costs.append([name, *(_number(found[key]) for key in COSTS.values())])
        history, popularity = found["ndcg@10_by_history"], found["recall@20_by_popularity"]
        groups[0] = ["model"]
        groups[0] += [f"{group} ({values['visitors']})" for group, values in history.items()]
        groups[0] += [f"{group} ({values['pairs']})" for group, values in popularity.items()]
        row = [_number(values["ndcg@10"]) for values in history.values()]
        groups.append([name, *row, *(_number(values["recall@20"]) for values in popularity.values())])
    return [
        (f"{where}: {size}", quality[0], quality[1:]),
        (f"{where}: NDCG@10 by visitors, Recall@20 by popularity of what was right", groups[0], groups[1:]),
        (f"{where}: cost", costs[0], costs[1:]),
    ]


def ratio_lines(entry: Entry) -> list[str]:
    lines = [
        f"{name}: ours is {ratio['ratio']:.3f} × {ratio['peer']} "
        f"[{ratio['low']:.3f}, {ratio['high']:.3f}], {ratio['visitors']} visitors"
        for name, ratio in entry["ratios"].items()
    ]
    return lines + cold_lines(entry)


def cold_lines(entry: Entry) -> list[str]:
    """What a cold figure has to be read against; entries of an earlier run have no such numbers."""
    untaken, ours = entry.get("untaken"), entry["models"].get(OURS, {})
    lines = []
    if untaken and untaken["items"]:
        lines.append(
            f"cold items: nobody took {untaken['items']:,} of {entry['items']:,} items in train; "
            f"{untaken['answers']:,} of them are answers"
        )
    if untaken and untaken["unknown_answers"]:
        lines.append(
            f"unknown items: {untaken['unknown_answers']:,} answers are in neither the items file nor train, "
            "so no model can find them"
        )
    cold = ours.get("recall@20_by_popularity", {}).get("cold", {"pairs": 0})
    if "random_cold@20" in ours and cold["pairs"]:
        lines.append(
            f"cold items: ours finds {cold['recall@20']:.2%} of the {cold['pairs']:,} cold pairs in its first 20; "
            f"random cold items in the same slots would find {ours['random_cold@20']:.2%}"
        )
    return lines


def _number(value: float) -> str:
    if abs(value) < 1:
        return f"{value:.4f}"
    return f"{value:,.1f}" if abs(value) < 1_000 else f"{value:,.0f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
