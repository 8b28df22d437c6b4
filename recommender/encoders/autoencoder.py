"""Denoising autoencoder over an item's attributes and text: the content part of its vector.

The encoder sees the item with attributes and text knocked out at random and must restore all of it, so what it keeps
is what the parts tell about each other. Needs no event: a new product has this part at once.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recommender.dataset.content_encoder import Layers
from recommender.encoders.training import EpochReport, seeded, silent


class ItemAutoencoder(nn.Module):
    """z = W2 relu(W1 [text; sum of attribute embeddings]); the decoder mirrors it, one head an attribute.

    Source: stacked denoising autoencoders, Vincent et al., JMLR 2010; z = σ(W1 x + b1), x' = σ(W2 z + b2).
    """

    def __init__(self, text_dim: int, sizes: tuple[int, ...], dim: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, hidden, padding_idx=0) for size in sizes)
        self.text_in = nn.Linear(text_dim, hidden)
        self.encoder = nn.Sequential(nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.decoder = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU())
        self.text_out = nn.Linear(hidden, text_dim)
        self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)

    def encode(self, text: Tensor, codes: Tensor) -> Tensor:
        """[batch, text_dim] float, [batch, columns] int64 → [batch, dim] unit norm."""
        x = self.text_in(text)  # [batch, hidden]
        for column, table in enumerate(self.tables):
            x = x + table(codes[:, column])
        return F.normalize(self.encoder(x), dim=-1)

    def loss(self, text: Tensor, codes: Tensor, drop: float) -> Tensor:
        """Restore the whole item from one with a share `drop` of its columns and texts knocked out."""
        keep_text = (torch.rand(len(text), 1, device=text.device) >= drop).float()
        keep_codes = (torch.rand(codes.shape, device=codes.device) >= drop).long()
        z = self.encode(text * keep_text, codes * keep_codes)
        hidden = self.decoder(z * math.sqrt(z.shape[-1]))  # [batch, hidden]
        has_text = text.abs().sum(-1) > 0
        loss = ((1 - F.cosine_similarity(self.text_out(hidden), text, dim=-1)) * has_text).mean()
        for column, head in enumerate(self.heads):
            target = codes[:, column]
            entropy = F.cross_entropy(head(hidden), target, ignore_index=0, reduction="sum")
            loss = loss + entropy / len(target) / len(self.heads)
        return loss

    def layers(self) -> Layers:
        """The encoder's numbers, for numpy."""
        state = {name: value.detach().cpu().numpy().copy() for name, value in self.named_parameters()}
        return Layers(
            tuple(state[f"tables.{column}.weight"] for column in range(len(self.tables))),
            text=state["text_in.weight"].T,
            text_bias=state["text_in.bias"],
            scale=state["encoder.0.weight"],
            shift=state["encoder.0.bias"],
            out=state["encoder.2.weight"].T,
            out_bias=state["encoder.2.bias"],
        )


def train_autoencoder(
    text: NDArray[np.float32],
    codes: NDArray[np.int64],
    sizes: tuple[int, ...],
    *,
    dim: int = 64,
    epochs: int = 8,
    batch: int = 1_024,
    learning_rate: float = 2e-3,
    drop: float = 0.3,
    seed: int = 0,
    device: str = "cpu",
    report: EpochReport = silent,
) -> Layers:
    """Learn to encode [items, text_dim] float32 and [items, columns] codes as [items, dim] unit-norm content vectors.

    Args:
        sizes: [columns] number of codes of a column, 0 included.
    """
    generator = seeded(seed)
    model = ItemAutoencoder(text.shape[1], sizes, dim).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    text_all, codes_all = torch.from_numpy(text).to(device), torch.from_numpy(codes).to(device)
    # A tiny catalogue needs more passes to see as many steps.
    epochs = max(epochs, min(100, 200 * batch // (len(text) * 10 + 1)))
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(text), generator=generator).split(batch):
            loss = model.loss(text_all[rows], codes_all[rows], drop)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        report(epoch + 1, epochs, total / len(text))
    return model.layers()
