"""Other views of the same histories, drawn anew each step: later beginnings, missing events, baskets in another order.

Targets stay what the visitor really took next. Nothing moves out of its basket, so no view knows what comes later.
"""

import torch
from torch import Tensor

from recommender.encoders.sequence import SequenceSettings

Batch = tuple[Tensor, ...]


def augmented(batch: Batch, settings: SequenceSettings, generator: torch.Generator) -> Batch:
    """A view of what `Batches.gather` returned; the very same where all three shares are 0.

    Source: crop, mask and reorder of CL4SRec, arXiv:2010.14395; here of the input of the next-basket task itself.
    """
    items, kinds, ages, query, of, target, weight = batch
    if settings.reorder:
        items, kinds = _reordered(items, kinds, ages, settings.reorder, generator)
    if settings.crop:
        begin = _beginnings(kinds, settings.crop, generator)  # [batch]
        inside = torch.arange(items.shape[1])[None, :] >= begin[:, None]
        weight = weight * inside.flatten()[query][of]
        items, kinds = items * inside, kinds * inside
    if settings.mask:
        keep = torch.rand(items.shape, generator=generator) >= settings.mask
        keep.view(-1)[query] = True
        items, kinds = items * keep, kinds * keep
    return items, kinds, ages, query, of, target, weight


def _beginnings(kinds: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """[batch] int64: 0, or for a `share` of the windows a random place before their middle."""
    length = (kinds > 0).sum(dim=1)
    drawn = (torch.rand(len(kinds), generator=generator) * (length // 2 + 1)).long()
    return drawn * (torch.rand(len(kinds), generator=generator) < share)


def _reordered(
    items: Tensor, kinds: Tensor, ages: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A `share` of the windows has the events of each moment in another order; padding stays behind."""
    moment = torch.cumsum(torch.diff(ages, dim=1, prepend=ages[:, :1]) != 0, dim=1)  # [batch, length]
    noise = torch.rand(items.shape, generator=generator) * (torch.rand(len(items), 1, generator=generator) < share)
    place = torch.where(kinds > 0, moment + noise, torch.tensor(float(items.shape[1] + 1)))
    order = torch.argsort(place, dim=1, stable=True)
    return items.gather(1, order), kinds.gather(1, order)
