"""Light graph convolution over the visitor–item graph: the graph part of an item's vector.

A visitor has no row of its own: its vector is the weighted mean of its items' vectors, at training as at serving.
Each step drops half of the edges at random and must predict dropped edges from the kept ones; two such views of an
item are pulled together, unless that is switched off.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.encoders.losses import info_nce, sampled_softmax
from recommender.encoders.propagation import Smoothing, block_size, csr, near_each_other, unit_rows
from recommender.encoders.training import EpochReport, State, resume, seeded, silent, state_of

# torch announces that its CSR layout is young and unchecked; the products used here are covered by tests.
for _message in ("Sparse CSR tensor support is in beta", "Sparse invariant checks are implicitly disabled"):
    warnings.filterwarnings("ignore", message=_message, category=UserWarning)


MIN_EDGES = 20
QUERIES_AT_ONCE = 1_024  # all logits of a step, 4,096 × 6,144, and their gradients are 0.3 GB


@dataclass(frozen=True, slots=True)
class Edges:
    """The bipartite graph, sorted by visitor.

    Attributes:
        visitor, item: [edges] int32. weight: [edges] float32 > 0. visitors, items: number of nodes of either side.
        place: [visitors] int32, in which they are smoothed. block: visitors of a block of places.
        by_place, by_item: [edges] int32 permutations that sort by place, and each block by item.
        ends: [blocks] where each block's edges end in both. starts: [visitors + 1] int64, where each one's edges begin.
    """

    visitor: Tensor
    item: Tensor
    weight: Tensor
    visitors: int
    items: int
    place: Tensor
    by_place: Tensor
    by_item: Tensor
    block: int
    ends: tuple[int, ...]
    starts: Tensor

    @classmethod
    def of(cls, matrix: sp.csr_matrix, device: str) -> "Edges":
        visitors, items = matrix.shape
        counts = np.diff(matrix.indptr)
        block = block_size(matrix, torch.device(device))
        place = near_each_other(matrix) if visitors > block else np.arange(visitors, dtype=np.int32)
        order = np.argsort(place)
        stop = np.cumsum(counts[order])  # by place
        by_place = np.arange(matrix.nnz, dtype=np.int32)
        by_place += np.repeat((matrix.indptr[1:][order] - stop).astype(np.int32), counts[order])
        ends = stop[[*range(block - 1, visitors - 1, block), visitors - 1]].tolist()
        by_item = np.empty_like(by_place)
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            edges = by_place[start:end]
            by_item[start:end] = edges[np.argsort(matrix.indices[edges], kind="stable")]

        def there(column: NDArray[Any]) -> Tensor:
            return torch.from_numpy(column).to(device)

        return cls(
            visitor=there(np.repeat(np.arange(visitors, dtype=np.int32), counts)),
            item=there(matrix.indices.astype(np.int32, copy=False)),
            weight=there(matrix.data),
            visitors=visitors,
            items=items,
            place=there(place),
            by_place=there(by_place),
            by_item=there(by_item),
            block=block,
            ends=tuple(ends),
            starts=there(matrix.indptr.astype(np.int64)),
        )

    def smoothing(self, keep: Tensor) -> Smoothing:
        """Over the kept edges, each with 1 / sqrt(degree visitor × degree item)."""
        per_visitor = torch.bincount(self.visitor[keep], minlength=self.visitors).float()
        per_item = torch.bincount(self.item[keep], minlength=self.items).float()
        blocks, start = [], 0
        for first, end in zip(range(0, self.visitors, self.block), self.ends, strict=True):
            width = min(self.block, self.visitors - first)
            sides = []
            for order in (self.by_place[start:end], self.by_item[start:end]):
                kept = order[keep[order]]
                visitor, item = self.visitor[kept], self.item[kept]
                sides.append((self.place[visitor] - first, item, (per_visitor[visitor] * per_item[item]).rsqrt()))
            (row, column, forth), (column_back, row_back, back) = sides
            to_visitors = csr(row, column, forth, (width, self.items))
            blocks.append((to_visitors, csr(row_back, column_back, back, (self.items, width))))
            start = end
        return Smoothing(tuple(blocks))

    def pooling(self, keep: Tensor, askers: Tensor) -> Tensor:
        """[askers, items] CSR, rows sum to 1: the kept edges of these visitors, ascending, by their weights."""
        first, counts = self.starts[askers], self.starts[askers + 1] - self.starts[askers]
        asker = torch.repeat_interleave(torch.arange(len(askers), device=askers.device), counts)
        edges = torch.arange(len(asker), device=askers.device) + (first + counts - counts.cumsum(0))[asker]
        asker, edges = asker[keep[edges]], edges[keep[edges]]
        weight = self.weight[edges]
        total = torch.zeros(len(askers), device=weight.device).index_add_(0, asker, weight)
        return csr(asker, self.item[edges], weight / total[asker], (len(askers), self.items))


class GraphEncoder(nn.Module):
    """Items' own vectors, seeded by content, smoothed over the items of the same visitors.

    h^(k+1) = D^-1/2 A D^-1/2 h^(k), no weights and no nonlinearity; the layers are averaged.
    Source: LightGCN, arXiv:2002.02126; two dropped-edge views: SGL, arXiv:2010.10783.
    """

    content: Tensor

    def __init__(self, items: int, content: Tensor, dim: int = 64) -> None:
        super().__init__()
        self.own = nn.Embedding(items, dim)
        nn.init.normal_(self.own.weight, std=dim**-0.5)
        self.from_content = nn.Linear(content.shape[1], dim, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.register_buffer("content", content)

    def items(self, smoothing: Smoothing | None, keep_own: Tensor | None = None) -> Tensor:
        """[items, dim] unit norm; without a graph, what content alone predicts."""
        x = self.from_content(self.content)
        if smoothing is None:
            return F.normalize(x, dim=-1)
        x += self.own.weight if keep_own is None else self.own.weight * keep_own
        return unit_rows(x + smoothing(x))


@dataclass(frozen=True, slots=True)
class GraphSettings:
    dim: int = 64
    steps: int = 60
    batch: int = 4_096  # dropped edges that a step predicts
    negatives: int = 2_048  # shared random items
    drop: float = 0.5  # share of edges that a view lacks
    own_drop: float = 0.1  # share of items that a step knows by content only, so that cold items work
    contrast: float = 0.1  # weight of the contrast between two views that lack other edges; 0: one view only
    learning_rate: float = 0.02


def train_graph(
    matrix: sp.csr_matrix,
    content: NDArray[np.float32],
    settings: GraphSettings,
    *,
    seed: int = 0,
    device: str = "cpu",
    start: State | None = None,
    report: EpochReport = silent,
) -> tuple[NDArray[np.float32], State]:
    """([items, dim] float32 unit-norm graph vectors, what to go on from another time).

    Items without an edge get what their content predicts.

    Args:
        matrix: [visitors, items] CSR of interaction weights. content: [items, content dim] unit norm.
        start: a state for these items to go on from; None begins anew.
    """
    generator = seeded(seed)
    if matrix.nnz < MIN_EDGES:  # nothing to drop and predict
        return _content_only(content, settings.dim, seed), {}
    edges = Edges.of(matrix, device)
    model = GraphEncoder(edges.items, torch.from_numpy(content).to(device), settings.dim).to(device)
    resume(model, start)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
    for step in range(settings.steps):
        optimizer.zero_grad(set_to_none=True)
        loss = _backward(model, edges, settings, generator)
        optimizer.step()
        schedule.step()
        report(step + 1, settings.steps, loss)
    return _final_items(model, edges), state_of(model)


def _content_only(content: NDArray[np.float32], dim: int, seed: int) -> NDArray[np.float32]:
    """[items, dim] unit norm: a random projection of the content, which keeps its cosines about right."""
    vectors = content @ content_projection({}, content.shape[1], dim, seed)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def content_projection(state: State, content_dim: int, dim: int, seed: int) -> NDArray[np.float32]:
    """[content dim, dim]: content times this, at unit norm, is the graph vector of an item without an edge.

    Args:
        state: what `train_graph` returned; empty where there were too few edges to learn from.
    """
    if state:
        return np.ascontiguousarray(state["from_content.weight"].numpy().T)
    return np.random.default_rng(seed).standard_normal((content_dim, dim)).astype(np.float32)


def _backward(model: GraphEncoder, edges: Edges, settings: GraphSettings, generator: torch.Generator) -> float:
    """The loss of one step, with its gradients: first of the views, then of what each was made from, one at a time,
    since each holds its smoothing."""
    device = edges.item.device
    keep_own = (torch.rand(edges.items, 1, generator=generator) >= settings.own_drop).float().to(device)
    keep, smoothing = _dropped(edges, settings.drop, generator)
    views = [model.items(smoothing, keep_own)]
    if settings.contrast:
        views.append(model.items(_dropped(edges, settings.drop, generator)[1], keep_own))
    del smoothing
    leaves = [view.detach().requires_grad_() for view in views]
    loss = _loss(model, edges, leaves, keep, settings, generator)
    loss.backward()
    while views:
        view, leaf = views.pop(), leaves.pop()
        if leaf.grad is not None:  # there was something to contrast
            view.backward(leaf.grad)
    return loss.item()


def _loss(
    model: GraphEncoder,
    edges: Edges,
    views: list[Tensor],
    keep: Tensor,
    settings: GraphSettings,
    generator: torch.Generator,
) -> Tensor:
    """Of predicting dropped edges from the first view, [items, dim], made of the edges to `keep` [edges], and of what
    both views say."""
    items = views[0]
    chosen = _some(~keep, settings.batch, generator)
    random_items = torch.randint(1, edges.items, (settings.negatives,), generator=generator).to(items.device)
    candidates, place = torch.unique(torch.cat([edges.item[chosen], random_items]), return_inverse=True)
    # A visitor's logits serve all of its edges.
    askers, of = torch.unique(edges.visitor[chosen].long(), return_inverse=True)
    target = place[: len(chosen)]
    visitors = F.normalize(edges.pooling(keep, askers) @ items, dim=-1)  # [askers, dim]
    scale = model.log_scale.exp()
    loss = sampled_softmax(visitors, items[candidates], of, target, scale=scale, at_once=QUERIES_AT_ONCE)
    if len(views) > 1 and len(candidates) > 1:
        sample = candidates[:2_048]
        loss = loss + settings.contrast * info_nce(items[sample], views[1][sample], temperature=0.2)
    return loss


def _some(mask: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """[n ≤ most] places where `mask` holds, drawn with replacement."""
    places = torch.nonzero(mask).ravel()
    return places[torch.randint(len(places), (min(most, len(places)),), generator=generator).to(mask.device)]


def _dropped(edges: Edges, drop: float, generator: torch.Generator) -> tuple[Tensor, Smoothing]:
    """([edges] bool, which are kept; the smoothing over them)."""
    keep = (torch.rand(len(edges.item), generator=generator) >= drop).to(edges.item.device)
    return keep, edges.smoothing(keep)


@torch.no_grad()
def _final_items(model: GraphEncoder, edges: Edges) -> NDArray[np.float32]:
    model.eval()
    everything = torch.ones(len(edges.item), dtype=torch.bool, device=edges.item.device)
    vectors = model.items(edges.smoothing(everything))
    has_edge = torch.bincount(edges.item, minlength=edges.items) > 0
    return torch.where(has_edge[:, None], vectors, model.items(None)).cpu().numpy()
