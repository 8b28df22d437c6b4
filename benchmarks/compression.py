"""What does compression save, and what does it cost? Vectors as halfvec, the visitor encoder in int8.

    python -m benchmarks.compression                    # a sample of Complete Journey, a small training
    python -m benchmarks.compression --households 800 --effort 1

One training; then the same vectors in Postgres as `vector` and as `halfvec`, and the same visitor encoder in float32
and, quantised by onnxruntime (dynamic, int8 weights), in int8. Both of a pair answer by turns in one run, so read the
ratios. Lists are those of a request: candidates, features, ranker. Printed: Markdown; written:
benchmarks/results/compression.json.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import onnxruntime
import psycopg
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from pgvector import HalfVector, Vector
from pgvector.psycopg import register_vector

from benchmarks.datasets import Dataset, load, sample
from benchmarks.judging import judge
from benchmarks.ours import Ranking, event_log, item_table, say_progress, validation
from benchmarks.peers.histories import taken
from benchmarks.splits import Truth, split
from benchmarks.task import Ints, Task
from demo.postgres import EmbeddedPostgres
from recommender.encoders.stack import StackSettings
from recommender.encoders.visitor import VisitorEncoder
from recommender.encoders.visitor_onnx import export_visitor_encoder
from recommender.evaluation.metrics import top
from recommender.learning import Learned, Moment, PipelineSettings, learn, moment, served_lists
from recommender.stages import Stages

RESULTS: Final = Path(__file__).parent / "results" / "compression.json"
Floats = NDArray[np.float32]
NEAREST: Final = 150  # RECOMMENDER_CANDIDATES
EF_SEARCH: Final = 200
ASKED: Final = 200  # visitors whose queries and encodings are timed
SHOWN: Final = 10
TYPES: Final[dict[str, tuple[type[Vector] | type[HalfVector], str]]] = {
    "vector": (Vector, "vector_cosine_ops"),
    "halfvec": (HalfVector, "halfvec_cosine_ops"),
}


@dataclass(frozen=True)
class Trained:
    """What a training left, looked at from the end of train."""

    task: Task
    truth: Truth
    learned: Learned
    seen: Moment
    settings: PipelineSettings

    @cached_property
    def encoder(self) -> VisitorEncoder:
        return self.learned.stack.visitor_encoder(self.learned.parts)

    @classmethod
    def on(cls, data: Dataset, effort: float) -> "Trained":
        task, _, truth = split(data, "time", seed=0)
        settings = PipelineSettings(stack=StackSettings(seed=0, effort=effort))
        train = event_log(task.train, task.has_time)
        learned = learn(validation(task, train), train, item_table(task), settings, Stages(say_progress))
        return cls(task, truth, learned, moment(learned.stack, learned.parts, train, int(task.train.now)), settings)

    def encode(self, session: onnxruntime.InferenceSession, items: Floats, numbers: Ints) -> Floats:
        """[n, dim] of these visitors, as a request computes them from the stored `items`."""
        return np.concatenate([session.run(None, self.inputs(items, number))[0] for number in numbers])

    def inputs(self, items: Floats, number: int) -> dict[str, Any]:
        grouped = self.seen.grouped
        end = grouped.offsets[number + 1]
        events = slice(max(grouped.offsets[number], end - self.encoder.settings.pool_length), end)
        return {
            "vectors": items[grouped.item[events]][None],
            "kinds": grouped.kind[events].astype(np.int64)[None],
            "ages_seconds": np.maximum(self.seen.now - grouped.at[events], 0).astype(np.float32)[None],
        }

    def lists(self, items: Floats, visitors: Floats) -> dict[str, NDArray[np.int32]]:
        """question → [asked, n] items, best first."""
        seen = replace(self.seen, fused=items, visitors=visitors)
        scorer = served_lists(self.learned.stack, seen, self.settings, self.learned.ranker).scorer(self.learned.ranker)
        ranking, task = Ranking(scorer, taken(self.task.train)), self.task
        return {each.name: ranking.top(task.asked, task.n, each.exclude_taken) for each in task.questions}

    def ndcg(self, lists: Mapping[str, NDArray[np.int32]]) -> dict[str, float]:
        return {name: judge(self.task, self.truth, name, found).metrics["ndcg@10"] for name, found in lists.items()}


def by_turns(ways: Mapping[str, Callable[[int], Any]], count: int) -> dict[str, float]:
    """Median milliseconds of each way; all of them answer each question, one after the other, after a warm-up."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-5, count):
        for name, way in ways.items():
            began = time.perf_counter()
            way(max(number, 0))
            if number >= 0:
                took[name].append(1_000 * (time.perf_counter() - began))
    return {name: median(values) for name, values in took.items()}


@contextmanager
def database() -> Iterator[psycopg.Connection[Any]]:
    folder = Path(tempfile.mkdtemp(prefix="compression-"))
    folder.chmod(0o711)  # as root, Postgres runs as another account
    server = EmbeddedPostgres(folder, durable=False)
    try:
        with psycopg.connect(server.start(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            register_vector(connection)
            yield connection
    finally:
        server.destroy()


def stored(items: Floats, queries: Floats) -> dict[str, dict[str, float]]:
    """type → bytes of table and HNSW index, milliseconds and overlap@10 of the nearest, exact and by the index."""
    found: dict[str, dict[str, float]] = {name: {} for name in TYPES}
    with database() as connection:
        for name in TYPES:
            connection.execute(f"CREATE TABLE {name}s (id int PRIMARY KEY, own {name}({items.shape[1]}))")
            with connection.cursor().copy(f"COPY {name}s (id, own) FROM STDIN") as copy:
                for number, vector in enumerate(items):
                    copy.write_row((number, TYPES[name][0](vector).to_text()))
            connection.execute(f"VACUUM ANALYZE {name}s")
            found[name]["table_bytes"] = _size(connection, f"{name}s")
        exact, took = _nearest(connection, queries)
        for name in TYPES:
            found[name] |= {"exact_ms": took[name], "exact_overlap@10": overlap(exact["vector"], exact[name])}
            connection.execute("SET maintenance_work_mem = '256MB'")
            connection.execute(f"CREATE INDEX {name}_index ON {name}s USING hnsw (own {TYPES[name][1]})")
            found[name]["index_bytes"] = _size(connection, f"{name}_index")
        connection.execute(f"SET hnsw.ef_search = {EF_SEARCH}")
        connection.execute("SET enable_seqscan = off")
        indexed, took = _nearest(connection, queries)
        for name in TYPES:
            found[name] |= {"index_ms": took[name], "index_overlap@10": overlap(exact["vector"], indexed[name])}
    return found


def _nearest(connection: psycopg.Connection[Any], queries: Floats) -> tuple[dict[str, Any], dict[str, float]]:
    """(type → [queries, SHOWN] ids, type → milliseconds for NEAREST of them)."""
    ids: dict[str, list[list[int]]] = {name: [] for name in TYPES}

    def asker(name: str) -> Callable[[int], None]:
        statement = f"SELECT id FROM {name}s ORDER BY own <=> %s LIMIT {NEAREST}"  # noqa: S608  names of our own

        def ask(number: int) -> None:
            rows = connection.execute(statement, (TYPES[name][0](queries[number]),)).fetchall()
            ids[name].append([row[0] for row in rows[:SHOWN]])

        return ask

    took = by_turns({name: asker(name) for name in TYPES}, len(queries))
    return {name: np.array(found[-len(queries) :]) for name, found in ids.items()}, took


def _size(connection: psycopg.Connection[Any], name: str) -> int:
    row = connection.execute("SELECT pg_relation_size(%s::regclass)", (name,)).fetchone()
    return int(row[0]) if row else 0


def overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean share of the first SHOWN that both have."""
    pairs = zip(first[:, :SHOWN].tolist(), second[:, :SHOWN].tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / SHOWN for a, b in pairs]))


def encoders(trained: Trained) -> dict[str, bytes]:
    """The visitor encoder as ONNX: "float32" as published, "int8" quantised."""
    plain = export_visitor_encoder(trained.encoder, trained.seen.fused.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        before.write_bytes(plain)
        quantize_dynamic(before, after, weight_type=QuantType.QInt8)
        return {"float32": plain, "int8": after.read_bytes()}


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # as serving has it
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(households: int, effort: float) -> dict[str, Any]:
    trained = Trained.on(sample(load("complete-journey"), households), effort)
    files = encoders(trained)
    sessions = {name: session_of(content) for name, content in files.items()}
    whole, half = trained.seen.fused, trained.seen.fused.astype(np.float16).astype(np.float32)
    everybody = np.arange(len(trained.seen.visitors))
    ways = {"plain": (whole, "float32"), "halfvec": (half, "float32"), "halfvec and int8": (half, "int8")}
    lists = {
        name: trained.lists(items, trained.encode(sessions[kind], items, everybody))
        for name, (items, kind) in ways.items()
    }
    asked = trained.task.asked[:ASKED]
    timed = {
        name: lambda number, session=session: session.run(None, trained.inputs(half, int(asked[number])))
        for name, session in sessions.items()
    }
    milliseconds = by_turns(timed, len(asked))
    tens = {name: top(trained.encode(session, half, asked) @ half[1:].T, SHOWN) for name, session in sessions.items()}
    return {
        "households": households,
        "items": len(whole) - 1,
        "dim": whole.shape[1],
        "effort": effort,
        "weights": {part.name: round(part.weight, 4) for part in trained.learned.parts},
        "vectors": stored(whole[1:], trained.encode(sessions["float32"], whole, asked)),
        "encoder": {
            name: {
                "bytes": len(files[name]),
                "ms": milliseconds[name],
                "overlap@10": overlap(tens["float32"], tens[name]),
            }
            for name in files
        },
        "ndcg@10": {name: trained.ndcg(found) for name, found in lists.items()},
        "overlap@10": {
            name: {question: overlap(lists["plain"][question], each[question]) for question in each}
            for name, each in lists.items()
        },
    }


def markdown(found: Mapping[str, Any]) -> str:
    """One table: what each compression saves and costs, before → after."""
    vectors, encoder, ndcg, same = (found[name] for name in ("vectors", "encoder", "ndcg@10", "overlap@10"))
    rows: list[tuple[str, Any, Any, Any, Any, str, str, str]] = []
    for what, size, took, nearest in (
        ("item vectors, exact search", "table_bytes", "exact_ms", "exact_overlap@10"),
        ("HNSW index, and its search", "index_bytes", "index_ms", "index_overlap@10"),
    ):
        a, b = (vectors[name] for name in TYPES)
        kept = f"{a[nearest]:.3f} → {b[nearest]:.3f}"
        rows.append((f"{what}: `vector` → `halfvec`", a[size], b[size], a[took], b[took], "plain", "halfvec", kept))
    a, b = encoder["float32"], encoder["int8"]
    nearest = f"{a['overlap@10']:.3f} → {b['overlap@10']:.3f}"
    cost = (a["bytes"], b["bytes"], a["ms"], b["ms"])
    rows.append(("visitor encoder: float32 → int8", *cost, "halfvec", "halfvec and int8", nearest))
    questions = list(ndcg["plain"])
    head = ["", "bytes", "ratio", "ms", "ratio", "nearest ten kept", *(f"NDCG@10 {name}" for name in questions)]
    head.append("lists kept @10")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, bytes_a, bytes_b, ms_a, ms_b, before, after, nearest in rows:
        quality = [f"{ndcg[before][each]:.4f} → {ndcg[after][each]:.4f}" for each in questions]
        kept = ", ".join(f"{same[after][each]:.3f}" for each in questions)
        sizes = [
            f"{bytes_a:,} → {bytes_b:,}",
            f"{bytes_b / bytes_a:.2f}",
            f"{ms_a:.2f} → {ms_b:.2f}",
            f"{ms_b / ms_a:.2f}",
        ]
        lines.append("| " + " | ".join([name, *sizes, nearest, *quality, kept]) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--households", type=int, default=100, help="of Complete Journey's 2,469 (default 100)")
    parser.add_argument("--effort", type=float, default=0.1, help="of the training (default 0.1)")
    options = parser.parse_args()
    found = run(options.households, options.effort)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
