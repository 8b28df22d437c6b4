"""Two views of each history that must stay alike: a contrastive term beside the next basket.

Source: CL4SRec, arXiv:2010.14395, with its shares.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from recommender.dataset.augmentations import CROP, MASK, REORDER
from recommender.encoders.losses import info_nce
from recommender.encoders.sequence import VisitorTransformer

CROPPED: Final = 0.6  # share of the events that a crop keeps, in one piece
MASKED: Final = 0.3  # share of the events whose item is hidden
REORDERED: Final = 0.6  # share of the events that are shuffled, in one piece
TEMPERATURE: Final = 0.2


class View(NamedTuple):
    """Histories as the Transformer takes them: vectors [batch, length, dim], kinds [batch, length] int64 with 0 for
    padding, ages_seconds [batch, length] float."""

    vectors: Tensor
    kinds: Tensor
    ages_seconds: Tensor


def crop(view: View, generator: torch.Generator) -> View:
    """A piece of each history; the rest is padding."""
    inside = _piece(view.kinds, CROPPED, generator)
    return View(view.vectors, view.kinds * inside, view.ages_seconds * inside)


def mask(view: View, generator: torch.Generator) -> View:
    """Some events say that something happened, and not what."""
    shown = torch.rand(view.kinds.shape, generator=generator).to(view.kinds.device) >= MASKED
    return view._replace(vectors=view.vectors * shown[..., None])


def reorder(view: View, generator: torch.Generator) -> View:
    """A piece of each history in another order; the times stay where they are."""
    inside = _piece(view.kinds, REORDERED, generator)
    place = torch.arange(view.kinds.shape[1], device=view.kinds.device).expand_as(view.kinds)
    first = torch.where(inside, place, place.shape[1]).amin(dim=1, keepdim=True)
    noise = torch.rand(view.kinds.shape, generator=generator).to(view.kinds.device)
    # Keys of the piece lie between those before it and those behind it, in any order.
    key = torch.where(inside, first + noise * inside.sum(dim=1, keepdim=True), place.float())
    order = key.argsort(dim=1, stable=True)
    vectors = view.vectors.gather(1, order[..., None].expand_as(view.vectors))
    return View(vectors, view.kinds.gather(1, order), view.ages_seconds)


VIEWS: Final[dict[str, Callable[[View, torch.Generator], View]]] = {CROP: crop, MASK: mask, REORDER: reorder}


def contrast(encoder: VisitorTransformer, view: View, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Scalar InfoNCE in nats between two views of each history, at its last event; 0 for a single history.

    Args:
        names: of VIEWS; one of them is drawn for each of the two.
    """
    if len(view.kinds) < 2:
        return view.vectors.new_zeros(())
    drawn = torch.randint(len(names), (2,), generator=generator).tolist()
    first, second = (_at_end(encoder, VIEWS[names[number]](view, generator)) for number in drawn)
    return info_nce(first, second, temperature=TEMPERATURE)


def _at_end(encoder: VisitorTransformer, view: View) -> Tensor:
    """[batch, dim]: the visitor after the last event that is left."""
    place = torch.arange(view.kinds.shape[1], device=view.kinds.device)
    last = ((view.kinds > 0) * place).amax(dim=1)
    return encoder(*view)[torch.arange(len(last)), last]


def _piece(kinds: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """[batch, length] bool: a piece of `share` of the events of each right-padded history, one at least."""
    count = (kinds > 0).sum(dim=1, keepdim=True)
    size = (count * share).long().clamp(min=1)
    first = (torch.rand(len(kinds), 1, generator=generator).to(kinds.device) * (count - size + 1)).long()
    place = torch.arange(kinds.shape[1], device=kinds.device)
    return (place >= first) & (place < first + size)
