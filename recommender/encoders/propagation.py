"""Items' vectors smoothed over the items of the same visitors: what the graph encoder spends its time on."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

# Visitors whose vectors (2 MB at 64 columns) are still in the processor's cache when the items ask for them. With all
# visitors at once a big shop's do not fit, and an edge costs two to three times as much.
BLOCK_VISITORS: Final = 8_192
ROUNDS: Final = 10  # of smoothing noise, until neighbours in the graph are told from strangers


def csr(row: Tensor, column: Tensor, value: Tensor, shape: tuple[int, int]) -> Tensor:
    """CSR with 32-bit indices, as MKL wants them, from edges that are sorted by row already."""
    pointer = torch.zeros(shape[0] + 1, dtype=torch.int32, device=row.device)
    pointer[1:] = torch.bincount(row, minlength=shape[0]).cumsum(0)
    return torch.sparse_csr_tensor(pointer, column.int(), value, size=shape)


def block_size(matrix: sp.csr_matrix, device: torch.device) -> int:
    """Visitors of one block: a GPU has no such cache, and wants few and large products. Every block has a pointer an
    item, and all of them should not be more than the edges."""
    visitors, items = matrix.shape
    return max(BLOCK_VISITORS, visitors * items // max(matrix.nnz, 1)) if device.type == "cpu" else max(visitors, 1)


def near_each_other(matrix: sp.csr_matrix) -> NDArray[np.int32]:
    """[visitors] a place for each, so that visitors of the same items stand together and their items stay in the cache.

    Noise on the items is smoothed over the graph: what is left of it differs most between parts that share least.
    """
    to_visitors = sp.csr_matrix((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    to_items = to_visitors.T
    per_visitor = np.maximum(np.diff(matrix.indptr), 1)
    per_item = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    signal = np.random.default_rng(0).standard_normal(matrix.shape[1])
    for _ in range(ROUNDS):
        visitors = to_visitors @ signal / per_visitor
        signal = to_items @ visitors / per_item
    place = np.empty(matrix.shape[0], dtype=np.int32)
    place[np.argsort(visitors, kind="stable")] = np.arange(matrix.shape[0])
    return place


@dataclass(frozen=True, slots=True)
class Smoothing:
    """S = Aᵀ A for A = D^-1/2 · edges · D^-1/2, [visitors, items], by blocks of visitors and never formed.

    Attributes:
        blocks: (A of these visitors, [block, items], and its transpose), both CSR.
    """

    blocks: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, items: Tensor) -> Tensor:
        """[items, dim] → [items, dim], with a gradient."""
        smoothed: Tensor = _Smoothed.apply(items, self)
        return smoothed

    def product(self, items: Tensor) -> Tensor:
        """S @ items, without a gradient."""
        smoothed = torch.zeros_like(items)
        for to_visitors, to_items in self.blocks:
            torch.addmm(smoothed, to_items, to_visitors @ items, out=smoothed)
        return smoothed


class _Smoothed(torch.autograd.Function):
    """S is symmetric, so its gradient is S again: torch would transpose each block anew in every step."""

    @staticmethod
    def forward(ctx: Any, items: Tensor, smoothing: Smoothing) -> Tensor:
        ctx.smoothing = smoothing
        return smoothing.product(items)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.smoothing.product(gradients[0].contiguous()), None


def unit_rows(x: Tensor) -> Tensor:
    """[rows, dim] → each row at unit norm, with a gradient."""
    unit: Tensor = _Unit.apply(x)
    return unit


class _Unit(torch.autograd.Function):
    """Keeps its result for the gradient: torch's `normalize` keeps what it was given, too, as large as all items."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        unit = x / norm
        ctx.save_for_backward(unit, norm)
        return unit

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,), (unit, norm) = gradients, ctx.saved_tensors
        along = torch.einsum("rd,rd->r", gradient, unit)[:, None]
        return torch.addcmul(gradient, unit, along, value=-1).div_(norm)
