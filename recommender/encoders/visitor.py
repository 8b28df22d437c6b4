"""The visitor encoder: fused item vectors of a history → one fused visitor vector. Exported to ONNX for the web."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recommender.encoders.sequence import VisitorTransformer
from recommender.encoders.tables import Part

DAY = 86_400.0  # seconds
# View, click, cart, purchase: how much an event says about taste when histories are averaged; padding says nothing.
KIND_WEIGHTS = (0.0, 0.3, 0.4, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class VisitorSettings:
    pool_length: int = 256  # newest events that are averaged
    pool_decay_days: float = 60.0


class VisitorEncoder(nn.Module):
    """Part by part: the Transformer for "sequence", decayed means for "graph" and "content", and for "popularity" the
    constant that makes its cosine the item's popularity. Each part is unit norm times the root of its weight, so a dot
    product with a stored item vector is the weighted sum of the parts' cosines.
    """

    kind_weights: Tensor

    def __init__(
        self, parts: tuple[Part, ...], transformer: VisitorTransformer, length: int, settings: VisitorSettings
    ) -> None:
        super().__init__()
        self.parts, self.transformer, self.length, self.settings = parts, transformer, length, settings
        self.register_buffer("kind_weights", torch.tensor(KIND_WEIGHTS))

    def forward(self, vectors: Tensor, kinds: Tensor, ages_seconds: Tensor) -> Tensor:
        """[batch, length, dim] fused item vectors, oldest first and left-padded; [batch, length] int64, 0 for padding;
        [batch, length] float seconds before now → [batch, dim] unit norm."""
        decay = torch.exp(-ages_seconds / (self.settings.pool_decay_days * DAY))
        weights = (self.kind_weights[kinds] * (decay + 1e-3))[..., None]  # an old history still counts when it is all
        pooled = (vectors * weights).sum(dim=1)  # [batch, dim]
        return torch.cat([self._part(part, vectors, kinds, ages_seconds, pooled) for part in self.parts], dim=-1)

    def _part(self, part: Part, vectors: Tensor, kinds: Tensor, ages: Tensor, pooled: Tensor) -> Tensor:
        root = max(part.weight, 0.0) ** 0.5
        if part.name == "popularity":
            constant = torch.zeros_like(pooled[:, part.start : part.stop])
            return torch.cat([constant[:, :1] + root, constant[:, 1:]], dim=-1)
        if part.name == "sequence":
            newest = slice(-self.length, None)
            own = F.normalize(vectors[:, newest, part.start : part.stop], dim=-1)
            return self.transformer(own, kinds[:, newest], ages[:, newest])[:, -1] * root
        return F.normalize(pooled[:, part.start : part.stop], dim=-1) * root
