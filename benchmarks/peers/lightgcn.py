"""LightGCN as PyTorch Geometric has it, with the pairwise loss of its paper."""

from typing import Any, Final

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.nn import LightGCN as PyGLightGCN

from benchmarks.peers.histories import events_of_pairs
from benchmarks.peers.lists import top_lists
from benchmarks.peers.tuning import learn
from benchmarks.task import Ints, Log, Task

DIM, LAYERS = 64, 3
LEARNING_RATE, BATCH = 2e-2, 8_192
PENALTY: Final = 1e-4


class LightGCN:
    """Source: He et al., "LightGCN", arXiv:2002.02126."""

    name = "lightgcn"

    def fit(self, task: Task, budget_seconds: float) -> None:
        self._learner, self.settings = learn(lambda log: Graph(log, task.seed), task, budget_seconds)

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        return self._learner.top(visitors, k, exclude_taken)


class SymmetricProduct(torch.autograd.Function):
    """a @ x for a symmetric CSR a, whose gradient is a @ g: torch would transpose a for every step."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, x: Tensor) -> Tensor:
        ctx.a = a
        return a @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.a @ gradients[0]


class Network(PyGLightGCN):
    """Theirs; each layer is one sparse product, where edge by edge it is the same in 40 times the time."""

    def get_embedding(self, edge_index: Tensor, edge_weight: None = None) -> Tensor:
        x = self.embedding.weight
        out = x * self.alpha[0]
        for share in self.alpha[1:]:
            x = SymmetricProduct.apply(edge_index, x)
            out = out + x * share
        return out


class Graph:
    """What `learn` needs of it. Nodes are the visitors, then the items."""

    def __init__(self, log: Log, seed: int) -> None:
        torch.manual_seed(seed)
        self._taken: sp.csr_matrix = events_of_pairs(log)
        self._visitors = log.visitors
        self._is_cold = np.bincount(self._taken.indices, minlength=log.items) == 0
        pairs = self._taken.tocoo()
        self._pairs = torch.from_numpy(np.stack([pairs.row, pairs.col + log.visitors]).astype(np.int64))
        self._edges = normalised(self._taken)
        self._network = Network(log.visitors + log.items, DIM, LAYERS)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=LEARNING_RATE)

    def epoch(self) -> float:
        losses = []
        for rows in torch.randperm(self._pairs.shape[1]).split(BATCH):
            visitor, item = self._pairs[:, rows]
            other = torch.randint(self._visitors, self._network.num_nodes, (len(rows),))
            x = self._network.get_embedding(self._edges)
            liked, random = (x[visitor] * x[item]).sum(1), (x[visitor] * x[other]).sum(1)
            nodes = torch.cat([visitor, item, other])
            loss = self._network.recommendation_loss(liked, random, node_id=nodes, lambda_reg=PENALTY)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def top(self, visitors: Ints, k: int, exclude_taken: bool) -> NDArray[np.int32]:
        with torch.inference_mode():
            x = self._network.get_embedding(self._edges).numpy()

        def score(block: Ints) -> NDArray[np.float32]:
            scores: NDArray[np.float32] = x[block] @ x[self._visitors :].T
            scores[:, self._is_cold] = -np.inf
            return scores

        return top_lists(score, self._taken, visitors, k, exclude_taken)


def normalised(taken: sp.csr_matrix) -> Tensor:
    """[visitors, items] CSR → D^-1/2 A D^-1/2 of the graph of both, [nodes, nodes] float32 CSR."""
    pattern = taken.copy()
    pattern.data[:] = 1.0
    both = sp.bmat([[None, pattern], [pattern.T, None]], format="csr", dtype=np.float32)
    scale = sp.diags_array(1.0 / np.sqrt(np.maximum(np.diff(both.indptr), 1)).astype(np.float32))
    edges = sp.csr_matrix(scale @ both @ scale)
    return torch.sparse_csr_tensor(
        torch.from_numpy(edges.indptr), torch.from_numpy(edges.indices), torch.from_numpy(edges.data), edges.shape
    )
