"""How fast the encoders train, beside the limit of the processor and beside the usual ways to propagate over a graph.

    python -m benchmarks.speed            writes benchmarks/results/speed.json

One thread and CPU-seconds throughout, so that the ratios hold on a machine with other work.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.nn import LGConv

from benchmarks.results_store import RESULTS
from benchmarks.synthetic import events
from recommender.dataset.sequences import histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.graph import Edges
from recommender.encoders.sequence import SequenceEncoder, SequenceSettings
from recommender.encoders.sequence_training import Batches, _step_loss

SGEMM_BAR: Final = 0.40
MESSAGE_PASSING_BAR: Final = 20.0
COO_BAR: Final = 4.0
DIM: Final = 64
ROUNDS: Final = 5
GRAPH_REPEATS: Final = 7  # the fastest counts: the others waited for the machine
EDGES: Final = (250_000, 500_000, 1_000_000)
EVENTS_A_VISITOR: Final = 9
CONTENT_DIM: Final = 128  # content and graph vectors side by side
ITEMS: Final = 10_000
VISITORS: Final = 10_000
STEPS: Final = 30


def cpu_seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


# --- sequence


def sequence_speed(visitors: int = VISITORS, items: int = ITEMS, steps: int = STEPS) -> dict[str, Any]:
    """Real tokens a CPU-second of training steps, and their useful operations beside matrix products alone.

    By turns, since a machine can be twice as fast a minute later: the round with the middle share counts.
    """
    grouped = histories(
        events(visitors * EVENTS_A_VISITOR, visitors, items, seed=0), Vocabulary(np.arange(1, items + 1))
    )
    settings = SequenceSettings()
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    content = torch.nn.functional.normalize(torch.randn(items + 1, CONTENT_DIM), dim=-1)
    popularity = torch.from_numpy(np.log1p(np.bincount(grouped.item, minlength=items + 1)).astype(np.float32))
    model = SequenceEncoder(content, popularity, settings).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)
    batches, seen = Batches(grouped, settings), torch.from_numpy(np.unique(grouped.item))
    chosen = batches.epoch(generator)[:steps]

    def epoch() -> None:
        for numbers in chosen:
            loss = _step_loss(model, batches.gather(numbers), seen, settings, generator, "cpu")
            if loss is not None:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()

    gathered = [batches.gather(numbers) for numbers in chosen]
    tokens = sum(int((kinds > 0).sum()) for _, kinds, *_ in gathered)
    products = sum_products([useful_products(batch, len(seen), settings) for batch in gathered])
    flops = sum(products.values())
    epoch()  # not counted
    rounds = [
        (cpu_seconds(epoch), sum(flops / sgemm(shape) for shape, flops in products.items())) for _ in range(ROUNDS)
    ]
    seconds, limit = sorted(rounds, key=lambda each: each[1] / each[0])[ROUNDS // 2]
    return {
        "tokens_per_cpu_second": tokens / seconds,
        "gflops": flops / seconds / 1e9,
        "sgemm_gflops": flops / limit / 1e9,
        "share_of_sgemm": limit / seconds,
        "shares_by_round": [limit / seconds for seconds, limit in rounds],
        "share_real_tokens": tokens / sum(batch[0].numel() for batch in gathered),
    }


Shape = tuple[int, int, int]  # rows, inner, columns of a matrix product


def useful_products(batch: Sequence[Tensor], candidates: int, settings: SequenceSettings) -> dict[Shape, float]:
    """Operations of one step, forward and backward, by the shape of their product: padding and masked pairs left out.

    A product of r × k with k × c takes 2rkc operations, its gradients twice as many.
    """
    kinds, query, dim = batch[1], batch[3], settings.dim
    tokens, queries = int((kinds > 0).sum()), len(query)
    lengths = (kinds > 0).sum(dim=1)
    pairs = int((lengths * (lengths + 1) // 2).sum())  # a position attends to itself and what came before
    widths = [dim, dim] + [3 * dim, dim, 2 * dim, 2 * dim] * settings.blocks  # enter, leave; qkv, out, feed in and out
    products = {(tokens, dim, sum(widths)): 3 * 2.0 * tokens * dim * sum(widths)}
    heads = max(dim // settings.heads, 1)
    products[(int(lengths.max()), heads, int(lengths.max()))] = 3 * 2 * 2.0 * pairs * dim * settings.blocks
    products[(queries, dim, candidates)] = 3 * 2.0 * queries * candidates * dim
    # Content is given: only the weights of its projection have a gradient.
    products[(candidates, CONTENT_DIM, dim)] = 2 * 2.0 * candidates * CONTENT_DIM * dim
    return products


def sum_products(steps: Sequence[dict[Shape, float]]) -> dict[Shape, float]:
    """The products of all steps in the shapes of the middle one: steps differ little, and each shape is measured."""
    shapes = sorted(steps, key=lambda step: next(iter(step)))[len(steps) // 2]
    totals = [sum(step) for step in zip(*(products.values() for products in steps), strict=True)]
    return dict(zip(shapes, totals, strict=True))


def sgemm(shape: Shape) -> float:
    """Operations a CPU-second of torch.mm in this shape."""
    rows, inner, columns = shape
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    flops = 2.0 * rows * inner * columns
    repeats = max(1, int(2e9 / flops))

    def work() -> None:
        for _ in range(repeats):
            torch.mm(a, b)

    work()  # not counted
    return flops * repeats / cpu_seconds(work)


# --- graph


def graph_speed(edges: Sequence[int] = EDGES, dim: int = DIM) -> dict[str, Any]:
    """CPU-seconds of one propagation, items → visitors → items: ours on every size, the others on the largest."""
    graphs = {count: random_graph(count) for count in edges}
    vectors = {count: torch.randn(graph.items, dim) for count, graph in graphs.items()}
    ways = {str(len(graph.item)): ours(graph, vectors[count]) for count, graph in graphs.items()}
    largest, x = graphs[max(graphs)], vectors[max(graphs)]
    ways |= {"message passing": by_message_passing(largest, x), "coo": by_coo(largest, x)}
    ways |= {"whole csr": by_csr(largest, x)}
    seconds = by_turns(ways)
    sizes = {str(len(graph.item)): len(graph.item) for graph in graphs.values()}
    rates = [seconds[name] / count for name, count in sizes.items()]
    best = seconds[str(len(largest.item))]
    return {
        "our_seconds": {name: seconds[name] for name in sizes},
        "message_passing_seconds": seconds["message passing"],
        "coo_seconds": seconds["coo"],
        "whole_csr_seconds": seconds["whole csr"],
        "times_message_passing": seconds["message passing"] / best,
        "times_coo": seconds["coo"] / best,
        "times_whole_csr": seconds["whole csr"] / best,
        "seconds_an_edge_largest_over_smallest": rates[-1] / rates[0],
    }


def ours(graph: Edges, items: Tensor) -> Callable[[], Tensor]:
    """As training does it."""
    smoothing = graph.smoothing(torch.ones(len(graph.item), dtype=torch.bool))
    return lambda: smoothing(items)


def by_csr(graph: Edges, items: Tensor) -> Callable[[], Tensor]:
    """Two products with the whole matrix, as training did it before; 64-bit indices."""
    to_visitors, to_items = whole_matrices(graph)
    return lambda: to_items @ (to_visitors @ items)


def by_coo(graph: Edges, items: Tensor) -> Callable[[], Tensor]:
    to_visitors, to_items = (matrix.to_sparse_coo().coalesce() for matrix in whole_matrices(graph))
    return lambda: torch.sparse.mm(to_items, torch.sparse.mm(to_visitors, items))


def whole_matrices(graph: Edges) -> tuple[Tensor, Tensor]:
    """D^-1/2 · edges · D^-1/2 and its transpose, both CSR."""
    shape = (graph.visitors, graph.items)
    matrix = sp.csr_matrix((normalised(graph).numpy(), (graph.visitor.numpy(), graph.item.numpy())), shape=shape)
    return as_csr(matrix), as_csr(matrix.T.tocsr())


def as_csr(matrix: sp.csr_matrix) -> Tensor:
    pointer, column = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    return torch.sparse_csr_tensor(pointer, column, torch.from_numpy(matrix.data), size=matrix.shape)


def normalised(graph: Edges) -> Tensor:
    """[edges] 1 / sqrt(degree visitor × degree item)."""
    degree = torch.bincount(graph.visitor, minlength=graph.visitors).float()
    return (degree[graph.visitor] * torch.bincount(graph.item, minlength=graph.items).float()[graph.item]).rsqrt()


def by_turns(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """CPU-seconds of the fastest of GRAPH_REPEATS, one way after the other so that all meet the same machine."""
    fastest = dict.fromkeys(ways, float("inf"))
    for _ in range(GRAPH_REPEATS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            fastest[name] = min(fastest[name], time.process_time() - began)
    return fastest


def random_graph(edges: int) -> Edges:
    """A visitor–item graph of about so many different edges, nine a visitor."""
    visitors, items = max(edges // EVENTS_A_VISITOR, 1), max(edges // 50, 50)
    log = events(edges, visitors, items, seed=0)
    ones = np.ones(edges, np.float32)
    matrix = sp.csr_matrix((ones, (log.visitor - 1, log.item - 1)), shape=(visitors, items))
    matrix.sum_duplicates()
    return Edges.of(matrix, "cpu")


def by_message_passing(graph: Edges, items: Tensor) -> Callable[[], Tensor]:
    """The same on an edge list: one message an edge and direction, gathered and added up."""
    norm = normalised(graph)
    convolution = LGConv(normalize=False)
    visitor, item = graph.visitor.long(), graph.item.long() + graph.visitors  # one numbering of all nodes
    nodes = torch.cat([torch.zeros(graph.visitors, items.shape[1]), items])
    forth, back = torch.stack([item, visitor]), torch.stack([visitor, item])
    return lambda: convolution(convolution(nodes, forth, norm), back, norm)[graph.visitors :]


def main() -> int:
    torch.set_num_threads(1)
    sequence, graph = sequence_speed(), graph_speed()
    bars = {
        "sequence: share of sgemm": (sequence["share_of_sgemm"], SGEMM_BAR),
        "graph: times message passing": (graph["times_message_passing"], MESSAGE_PASSING_BAR),
        "graph: times COO": (graph["times_coo"], COO_BAR),
    }
    for name, (value, bar) in bars.items():
        print(f"{name:<30} {value:8.2f}   bar {bar:5.2f}   {'met' if value >= bar else 'missed'}")
    result = {"torch": torch.__version__, "threads": 1, "sequence": sequence, "graph": graph}
    RESULTS.joinpath("speed.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
