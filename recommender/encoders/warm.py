"""Warm start: what a version leaves for the next training, and how that one goes on from it.

A version leaves its encoders as they were before its validation: they know the events before `seen_until` and none from
then on. A training goes on from them only where its own validation starts no earlier, so that neither what chooses its
weights nor what judges it was ever learned.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from recommender.capture.tables import DAY_SECONDS, ItemTable
from recommender.dataset.content_encoder import ContentEncoder
from recommender.dataset.item_encoder import pack_content, unpack_content
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.graph import GraphEncoder
from recommender.encoders.sequence import SequenceEncoder
from recommender.encoders.stack import Stack, StackSettings, StageReport, Start, train_content
from recommender.encoders.tables import Cold
from recommender.encoders.training import (
    ABOUT,
    Keep,
    State,
    afresh,
    as_bytes,
    as_tensor,
    read_written,
    state_of,
    written,
)

Floats = NDArray[np.float32]
NAME: Final = "encoders.safetensors"
CONTENT_ENCODER: Final = "content_encoder"  # a file inside the file
ITEM_TABLE: Final = "own.weight"  # the one parameter of an encoder that has a row an item


@dataclass(frozen=True, slots=True)
class Left:
    """What a version left.

    Attributes:
        items: its vocabulary. content: [item rows, dim] float32 unit norm. states: encoder → parameters.
        seen_until: it knows the events before this moment, in seconds since 1970 UTC.
        began: `seen_until` of the training from scratch that it goes back to.
        catalogue: hash of the texts and attributes that `content` was made from. text_encoder: what read them.
        content_encoder: what made `content`; None where it cannot be kept.
    """

    items: Vocabulary
    content: Floats
    states: dict[str, State]
    seen_until: int
    began: int
    catalogue: str
    text_encoder: str
    content_encoder: ContentEncoder | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a training starts: warm from `start`, or anew for the reason `cold`; one of the two is None."""

    start: Start | None
    cold: Cold | None
    began: int


def leave(stack: Stack, items: ItemTable, seen_until: int, began: int) -> bytes:
    """A safetensors file of `Left`, in half precision: plenty for a start."""
    about = {
        "items": stack.items.keys.tolist(),
        "seen_until": seen_until,
        "began": began,
        "catalogue": catalogue_hash(items),
        "text_encoder": stack.settings.text_encoder,
    }
    tensors = {"content": torch.from_numpy(stack.vectors["content"])}
    for encoder, state in stack.states.items():
        tensors |= {f"{encoder}.{name}": value for name, value in state.items()}
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    halves |= written(about)
    if stack.content_encoder is not None:
        halves[CONTENT_ENCODER] = as_tensor(pack_content(stack.content_encoder))
    return safetensors.torch.save(halves)


def read(content: bytes) -> Left:
    """What `leave` wrote."""
    tensors = safetensors.torch.load(content)
    about: dict[str, Any] = read_written(tensors)
    del tensors[ABOUT]
    items = Vocabulary(np.asarray(about.pop("items")))
    side = tensors.pop("content").float().numpy()
    encoder_file = tensors.pop(CONTENT_ENCODER, None)
    content_encoder = None if encoder_file is None else unpack_content(as_bytes(encoder_file))
    norm = np.linalg.norm(side, axis=1, keepdims=True)
    states: dict[str, State] = {}
    for name, tensor in tensors.items():
        encoder, _, parameter = name.partition(".")
        states.setdefault(encoder, {})[parameter] = tensor.float()
    unit = np.divide(side, norm, out=np.zeros_like(side), where=norm > 0)
    return Left(items, unit, states, **about, content_encoder=content_encoder)


def begin(
    left: Left | Cold,
    items: ItemTable,
    settings: StackSettings,
    validation_start: int,
    full_training_days: float,
    stage: StageReport,
    keep: Keep = afresh,
) -> Beginning:
    """Go on from what is left, or say why not.

    Args:
        validation_start: seconds since 1970 UTC; nothing from then on may have been learned.
        full_training_days: of events, after which a training from scratch is due.
        keep: as in `train_stack`.
    """
    cold = left if isinstance(left, Cold) else _why_not(left, items, settings, validation_start, full_training_days)
    if isinstance(left, Cold) or cold is not None:
        return Beginning(None, cold, validation_start)
    vocabulary = Vocabulary(items.item)
    rows = np.r_[0, left.items.rows(vocabulary.keys)]  # [item rows] where each was, 0 for a new one
    content, encoder = left.content, left.content_encoder
    if left.catalogue != catalogue_hash(items):
        content, encoder = train_content(items, settings, stage, keep)
        turn = alignment(content, left.content, rows)
        content, encoder = content @ turn, encoder.turned(turn) if encoder else None
    states = {encoder: _moved(state, torch.from_numpy(rows)) for encoder, state in left.states.items()}
    return Beginning(Start(content, states, left.seen_until, content_encoder=encoder), None, left.began)


def _why_not(
    left: Left, items: ItemTable, settings: StackSettings, validation_start: int, full_training_days: float
) -> Cold | None:
    if left.seen_until > validation_start:
        return Cold.EARLIER
    if validation_start - left.began >= full_training_days * DAY_SECONDS:
        return Cold.DUE
    if left.text_encoder != settings.text_encoder or _shapes(left.states) != _shapes(_fresh(settings)):
        return Cold.SETTINGS
    return None if left.items.rows(items.item).any() else Cold.CATALOGUE


def _fresh(settings: StackSettings) -> dict[str, State]:
    """Untrained encoders of two items."""
    content = torch.zeros(2, settings.content_dim)
    side = torch.zeros(2, settings.content_dim + settings.graph.dim)
    return {
        "graph": state_of(GraphEncoder(2, content, settings.graph.dim)),
        "sequence": state_of(SequenceEncoder(side, torch.zeros(2), settings.sequence)),
    }


def _shapes(states: dict[str, State]) -> dict[tuple[str, str], tuple[int, ...]]:
    """(encoder, parameter) → shape, without the number of items."""
    return {
        (encoder, name): tuple(value.shape)[1 if name == ITEM_TABLE else 0 :]
        for encoder, state in states.items()
        for name, value in state.items()
    }


def _moved(state: State, rows: torch.Tensor) -> State:
    """The state with each item's row where it is now; a new item starts at what its content predicts."""
    table = state[ITEM_TABLE][rows] * (rows > 0)[:, None]
    return state | {ITEM_TABLE: table}


def alignment(content: Floats, before: Floats, rows: NDArray[np.int64]) -> Floats:
    """[dim, dim]: turns new content vectors so that known items lie where they lay. Cosines stay as they are.

    Args:
        content: [item rows, dim]. before: [item rows of then, dim]. rows: [item rows] place in `before`, 0 for none.
    Source: orthogonal Procrustes, Schönemann 1966.
    """
    known = rows > 0
    turn, _ = orthogonal_procrustes(content[known].astype(np.float64), before[rows[known]].astype(np.float64))
    return np.asarray(turn, dtype=np.float32)


def catalogue_hash(items: ItemTable) -> str:
    """sha256 of all that the content part is made from."""
    digest = hashlib.sha256()
    for name, values in {"item": items.item.tolist(), "text": items.text, **items.attributes}.items():
        digest.update(json.dumps([name, list(values)]).encode())
    digest.update(b"" if items.price_cents is None else items.price_cents.tobytes())
    return digest.hexdigest()
