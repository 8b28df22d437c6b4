"""Transformer over a visitor's events: what comes next, in the sequence part of the item vectors.

A query stands at the end of each basket (events with one timestamp) and predicts the items of the next basket, all at
once. In a shop that records single views every event is a basket of its own, and this is next-item prediction.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = 5  # event kinds by number, 0 unused
GAP_BUCKETS = 22  # log2 of minutes, up to about four years


def gap_bucket(ages_seconds: Tensor) -> Tensor:
    """[..., length] float ages, oldest first → [..., length] int64: log2 of the minutes since the event before."""
    before = torch.cat([ages_seconds[..., :1], ages_seconds[..., :-1]], dim=-1)
    minutes = (before - ages_seconds).clamp(min=0.0) / 60.0
    return torch.log2(minutes + 1.0).ceil().clamp(max=GAP_BUCKETS - 1.0).to(torch.int64)


class Attention(nn.Module):
    """Causal self-attention, softmax(Q K^T / sqrt(d_k)) V, with a learned distance penalty a head.

    Source: arXiv:1706.03762; linear distance biases: ALiBi, arXiv:2108.12409.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.log_slope = nn.Parameter(torch.linspace(-5.0, -1.0, heads))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """[batch, length, dim] and [batch, length] float 1 for an event, 0 for padding → [batch, length, dim]."""
        batch, length, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        place = torch.arange(length, device=x.device)
        distance = (place[:, None] - place[None, :]).to(x.dtype)  # [length, length], negative = future
        bias = -self.log_slope.exp()[:, None, None] * distance  # [heads, length, length]
        bias = bias.masked_fill(distance < 0, -1e9) + (present - 1)[:, None, None, :] * 1e9
        scores = q @ k.transpose(-1, -2) / math.sqrt(dim // self.heads) + bias
        mixed = scores.softmax(dim=-1) @ v  # [batch, heads, length, dim / heads]
        return self.out(mixed.transpose(1, 2).reshape(batch, length, dim))


class Block(nn.Module):
    """Attention and feed-forward, FFN(x) = relu(x W1 + b1) W2 + b2, each behind a norm and added to its input."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(dim), Attention(dim, heads)
        self.feed_norm = nn.LayerNorm(dim)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), present))
        return x + self.dropout(self.feed(self.feed_norm(x)))


class VisitorTransformer(nn.Module):
    """Item vectors, kinds and ages of the last events → the visitor's vector after each of them.

    It holds no item table, so it takes items that did not exist at training.
    """

    def __init__(self, dim: int = 64, blocks: int = 2, heads: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, dim)
        self.kind = nn.Embedding(KINDS, dim)
        self.gap = nn.Embedding(GAP_BUCKETS, dim)
        # A kind or a pause that training never saw (a shop with purchases only gets its first view) must say nothing.
        nn.init.zeros_(self.kind.weight)
        nn.init.zeros_(self.gap.weight)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(blocks))
        self.leave_norm, self.leave = nn.LayerNorm(dim), nn.Linear(dim, dim)
        nn.init.zeros_(self.leave.weight)

    def forward(self, vectors: Tensor, kinds: Tensor, ages_seconds: Tensor) -> Tensor:
        """The visitor after each event: position p knows the events up to p. Kind 0 is padding, on either side.

        Args:
            vectors: [batch, length, dim] unit-norm item vectors. kinds: [batch, length] int64.
            ages_seconds: [batch, length] float.
        Returns:
            [batch, length, dim] unit norm.
        """
        present = (kinds > 0).to(vectors.dtype)
        # Training starts from the mean of the items so far, a fair guess already, and learns what to add to it.
        mean = F.normalize((vectors * present[..., None]).cumsum(dim=1), dim=-1)
        x = self.enter(vectors * math.sqrt(vectors.shape[-1])) + self.kind(kinds) + self.gap(gap_bucket(ages_seconds))
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, present)
        return F.normalize(mean + self.leave(self.leave_norm(x)), dim=-1)


class SequenceEncoder(nn.Module):
    """The Transformer with the item table of its training: an item's own vector plus what its content predicts."""

    content: Tensor
    log_popularity: Tensor

    def __init__(self, content: Tensor, log_popularity: Tensor, settings: "SequenceSettings") -> None:
        super().__init__()
        self.own = nn.Embedding(len(content), settings.dim)
        nn.init.normal_(self.own.weight, std=settings.dim**-0.5)
        self.from_content = nn.Linear(content.shape[1], settings.dim, bias=False)
        self.visitor = VisitorTransformer(settings.dim, settings.blocks, settings.heads, settings.dropout)
        self.log_scale = nn.Parameter(torch.tensor(2.5))  # log of 1 / temperature
        # How popular an item is, is explained apart, so that vectors need not spend themselves on it.
        self.popularity_weight = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("content", content)
        self.register_buffer("log_popularity", log_popularity)

    def items(self, rows: Tensor, keep_own: Tensor) -> Tensor:
        """[n] item rows → [n, dim] unit norm. `keep_own` [n, 1] of 0 and 1 knocks out own vectors, leaving content."""
        return F.normalize(self.own(rows) * keep_own + self.from_content(self.content[rows]), dim=-1)

    def final_items(self, seen: Tensor) -> Tensor:
        """[items, dim] unit norm: own and content for the rows in `seen` [n], content alone for the others."""
        rows = torch.arange(len(self.content), device=self.content.device)
        keep_own = torch.zeros(len(rows), 1, device=rows.device)
        keep_own[seen.to(rows.device)] = 1.0
        return self.items(rows, keep_own)


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    dim: int = 64
    blocks: int = 2
    heads: int = 2
    dropout: float = 0.2
    length: int = 64  # events that the Transformer sees
    epochs: int = 2
    batch: int = 64  # windows a step
    candidates: int = 8_192  # items in the softmax; all of them where there are no more
    own_drop: float = 0.1
    repeat_weight: float = 0.2  # of a target that the visitor took before: own history predicts those better
    learning_rate: float = 5e-3
    views: tuple[str, ...] = ()  # augmentations of which two views of a history must stay alike; none: no contrast
    contrast: float = 0.1  # weight of the contrast between the views
