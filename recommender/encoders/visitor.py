"""The visitor encoder: fused item vectors of a history → one fused visitor vector. Exported to ONNX for the web."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recommender.capture.tables import DAY_SECONDS, PURCHASE
from recommender.encoders.sequence import VisitorTransformer
from recommender.encoders.tables import Part

# View, click, cart, purchase: how much an event says about taste when histories are averaged; padding says nothing.
KIND_WEIGHTS = (0.0, 0.3, 0.4, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class VisitorSettings:
    pool_length: int = 256  # newest events that are averaged
    pool_decay_days: float = 60.0
    session_seconds: float = 1_800.0  # younger views, clicks and carts are what the visitor wants right now
    session_share: float = 2.0  # weight of that beside the whole history, which weighs 1


class VisitorEncoder(nn.Module):
    """One taste a part: the Transformer for "sequence", decayed means for "graph" and "content", and for "popularity"
    the constant (1, 0) that makes its cosine the item's popularity. What the visitor looked at in this session is added
    to each, and popularity steps back, (1, 1) / √2: a click counts at once even where training saw no clicks. A part is
    unit norm times the root of its weight, so a dot product with a stored item vector is the weighted sum of cosines.
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
        decay = torch.exp(-ages_seconds / (self.settings.pool_decay_days * DAY_SECONDS))
        weights = (self.kind_weights[kinds] * (decay + 1e-3))[..., None]  # an old history still counts when it is all
        pooled = (vectors * weights).sum(dim=1)  # [batch, dim]
        is_session = (ages_seconds < self.settings.session_seconds) & (kinds > 0) & (kinds < PURCHASE)
        session = (vectors * is_session[..., None].to(vectors.dtype)).sum(dim=1)  # [batch, dim], zero where none is
        parts = []
        for part in self.parts:
            root = max(part.weight, 0.0) ** 0.5
            columns = slice(part.start, part.stop)
            if part.name == "popularity":
                has_session = is_session.any(dim=1, keepdim=True).to(vectors.dtype)  # [batch, 1]
                parts.append(F.normalize(torch.cat([torch.ones_like(has_session), has_session], dim=-1), dim=-1) * root)
                continue
            taste = self._taste(part, vectors, kinds, ages_seconds, pooled)
            wish = F.normalize(session[:, columns], dim=-1) * self.settings.session_share
            parts.append(F.normalize(taste + wish, dim=-1) * root)
        return torch.cat(parts, dim=-1)

    def _taste(self, part: Part, vectors: Tensor, kinds: Tensor, ages: Tensor, pooled: Tensor) -> Tensor:
        """[batch, part's dim] unit norm: what the whole history says."""
        if part.name != "sequence":
            return F.normalize(pooled[:, part.start : part.stop], dim=-1)
        newest = slice(-self.length, None)
        own = F.normalize(vectors[:, newest, part.start : part.stop], dim=-1)
        return self.transformer(own, kinds[:, newest], ages[:, newest])[:, -1]
