"""The self-supervised stack: content, graph and sequence encoders, each fed with what the one before it learned."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recommender.capture.tables import EventLog, ItemTable
from recommender.dataset.augmentations import EDGES, OF_HISTORIES
from recommender.dataset.content_encoder import ContentEncoder
from recommender.dataset.distinct import distinct
from recommender.dataset.graph import visitor_item_matrix
from recommender.dataset.item_encoder import ItemEncoder, pack_content, unpack_content
from recommender.dataset.item_features import AttributeCodes
from recommender.dataset.links import Links, link_items, word_weights
from recommender.dataset.sequences import Histories, histories
from recommender.dataset.vocabulary import Vocabulary
from recommender.encoders.autoencoder import train_autoencoder
from recommender.encoders.fusion import POPULARITY_DIM
from recommender.encoders.graph import GraphSettings, content_projection, train_graph
from recommender.encoders.sequence import SequenceEncoder, SequenceSettings, VisitorTransformer
from recommender.encoders.sequence_training import new_encoder, train_sequence
from recommender.encoders.tables import Part
from recommender.encoders.text import CATALOGUE, encode_texts
from recommender.encoders.training import (
    EpochReport,
    Keep,
    State,
    afresh,
    as_bytes,
    as_tensor,
    resume,
    state_of,
)
from recommender.encoders.visitor import KIND_WEIGHTS, VisitorEncoder, VisitorSettings

Floats = NDArray[np.float32]
StageReport = Callable[[str], EpochReport]  # stage name → where its epochs are reported
REFIT_SHARE = 0.3  # of the steps and epochs, when a stack goes on from another
VECTORS, ENCODER = "vectors", "encoder"  # in a kept state, beside the parameters


@dataclass(frozen=True, slots=True)
class StackSettings:
    """All that shapes a training. `effort` scales epochs and steps; 1.0 took ten minutes on two busy cores for a shop
    with 1.2 million events."""

    text_encoder: str = CATALOGUE
    device: str = "cpu"
    seed: int = 0
    effort: float = 1.0
    content_dim: int = 64
    graph: GraphSettings = GraphSettings()
    sequence: SequenceSettings = SequenceSettings()
    visitor: VisitorSettings = VisitorSettings()

    def augmented(self, names: Collection[str]) -> "StackSettings":
        """With these of AUGMENTATIONS, and no others."""
        views = tuple(name for name in OF_HISTORIES if name in names)
        graph = self.graph if EDGES in names else replace(self.graph, contrast=0.0)
        return replace(self, graph=graph, sequence=replace(self.sequence, views=views))


@dataclass(frozen=True, slots=True)
class Start:
    """What a training goes on from; rows are those of its own items.

    Attributes:
        content: [item rows, dim] float32 unit norm, row 0 zero. states: encoder → parameters.
        since: seconds since 1970 UTC; events from then on may be new to it, earlier ones it has learned from.
        content_links: the relation "content" of these items, where it is known already.
        content_encoder: what made `content`; None where no numpy can.
    """

    content: Floats
    states: dict[str, State]
    since: int
    content_links: sp.csr_matrix | None = None
    content_encoder: ContentEncoder | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """What the encoders learned.

    Attributes:
        items: the catalogue's vocabulary. vectors: part name → [item rows, dim] float32 unit norm, row 0 zero.
        transformer: turns the sequence part of a history into a visitor's sequence part.
        links: what leads to what, by counting.
        price_cents, added_at: the catalogue's, NaN where unknown. settings: what it was trained with.
        states: encoder → parameters to go on from. content_encoder: as in `Start`.
    """

    items: Vocabulary
    vectors: dict[str, Floats]
    transformer: VisitorTransformer
    links: Links
    price_cents: Floats | None
    added_at: NDArray[np.float64] | None
    settings: StackSettings
    states: dict[str, State]
    content_encoder: ContentEncoder | None = None

    @property
    def dims(self) -> dict[str, int]:
        """Columns of each part of the fused vector; "popularity" is added when the vectors are fused."""
        return {name: array.shape[1] for name, array in self.vectors.items()} | {"popularity": POPULARITY_DIM}

    def start(self, since: int) -> Start:
        """To go on with more events of the same items, of which those before `since` are known."""
        return Start(self.vectors["content"], self.states, since, self.links["content"], self.content_encoder)

    def item_encoder(self, items: ItemTable, statistics: Floats) -> ItemEncoder | None:
        """What encodes items that come later as the cold ones of `items`, this stack's catalogue, are; None where the
        texts were read by a language model.

        Args:
            statistics: [len(STATISTICS)] of an item without events.
        """
        if self.content_encoder is None:
            return None
        sizes = self.dims
        graph = content_projection(self.states["graph"], sizes["content"], sizes["graph"], self.settings.seed)
        sequence = self.states["sequence"]["from_content.weight"].numpy().T
        return ItemEncoder(self.content_encoder, graph, sequence, word_weights(items, self.links), statistics)

    def visitor_encoder(self, parts: tuple[Part, ...]) -> VisitorEncoder:
        settings = self.settings
        return VisitorEncoder(parts, self.transformer, settings.sequence.length, settings.visitor).eval()


def train_stack(
    log: EventLog,
    items: ItemTable,
    settings: StackSettings,
    stage: StageReport,
    start: Start | None = None,
    keep: Keep = afresh,
) -> Stack:
    """Fit all encoders on the log; every item of the catalogue gets every part, seen in the log or not.

    Args:
        start: what to go on from, for `REFIT_SHARE` of the epochs; None begins anew.
        keep: holds what the steps "content", "graph" and "sequence" made.
    """
    vocabulary = Vocabulary(items.item)
    content, content_encoder = (
        (start.content, start.content_encoder) if start else train_content(items, settings, stage, keep)
    )
    # Grouped anew for the sequence: the graph's training takes the most memory of all, and needs no histories.
    graph, graph_state = _graph_vectors(_interactions(log, vocabulary), content, settings, stage, start, keep)
    grouped = histories(log, vocabulary)
    side = np.concatenate([content, graph], axis=1)  # the Transformer's items start from what is known of them
    encoder = _sequence_encoder(grouped, side, settings, stage, start, keep)
    with torch.no_grad():
        sequence = encoder.final_items(torch.from_numpy(distinct(grouped.item))).cpu().numpy()
    sequence[0] = 0.0
    transformer, states = encoder.visitor.cpu(), {"graph": graph_state, "sequence": state_of(encoder)}
    del encoder, side  # as large as all vectors
    return Stack(
        items=vocabulary,
        vectors={"sequence": sequence, "graph": graph, "content": content},
        transformer=transformer,
        links=link_items(grouped, items, start.content_links if start else None),
        price_cents=items.price_cents,
        added_at=items.added_at,
        settings=settings,
        states=states,
        content_encoder=content_encoder,
    )


def train_content(
    items: ItemTable, settings: StackSettings, stage: StageReport, keep: Keep = afresh
) -> tuple[Floats, ContentEncoder | None]:
    """([item rows, dim] unit norm: text and attributes through the autoencoder; what encodes further items alike)."""

    def compute() -> State:
        content, encoder = _learn_content(items, settings, stage)
        packed = {ENCODER: as_tensor(pack_content(encoder))} if encoder else {}
        return {VECTORS: torch.from_numpy(content), **packed}

    state = keep("content", compute)
    encoder = unpack_content(as_bytes(state[ENCODER])) if ENCODER in state else None
    return state[VECTORS].numpy(), encoder


def _learn_content(
    items: ItemTable, settings: StackSettings, stage: StageReport
) -> tuple[Floats, ContentEncoder | None]:
    report = stage("text")
    text, features = encode_texts(items.text, settings.text_encoder, seed=settings.seed)
    report(1, 1, 0.0)
    attributes = AttributeCodes.of(items)
    codes = attributes.codes(items)
    layers = train_autoencoder(
        text,
        codes,
        attributes.sizes,
        dim=settings.content_dim,
        epochs=_between(4, settings.effort * 350_000 / len(items), 60),
        seed=settings.seed,
        device=settings.device,
        report=stage("autoencoder"),
    )
    content = layers.encode(text, codes)
    rows = np.concatenate([np.zeros((1, content.shape[1]), np.float32), content])
    return rows, ContentEncoder(features, attributes, layers) if features else None


def _interactions(log: EventLog, items: Vocabulary) -> sp.csr_matrix:
    """[visitors, item rows] what the graph's edges weigh."""
    grouped = histories(log, items)
    now = int(grouped.at.max(initial=0))
    return visitor_item_matrix(grouped, len(items), now, 1e9, np.array(KIND_WEIGHTS, dtype=np.float32))


def _graph_vectors(
    matrix: sp.csr_matrix, content: Floats, settings: StackSettings, stage: StageReport, start: Start | None, keep: Keep
) -> tuple[Floats, State]:
    steps = _between(40, settings.effort * 5e7 / max(matrix.nnz, 1), 100)

    def compute() -> State:
        graph, state = train_graph(
            matrix,
            content,
            replace(settings.graph, steps=_again(steps) if start else steps),
            seed=settings.seed,
            device=settings.device,
            start=start.states["graph"] if start else None,
            report=stage("graph"),
        )
        graph[0] = 0.0
        return state | {VECTORS: torch.from_numpy(graph)}

    state = keep("graph", compute)
    return state[VECTORS].numpy(), {name: value for name, value in state.items() if name != VECTORS}


def _sequence_encoder(
    grouped: Histories, side: Floats, settings: StackSettings, stage: StageReport, start: Start | None, keep: Keep
) -> SequenceEncoder:
    epochs = sequence_epochs(grouped, settings)

    def compute() -> State:
        encoder = train_sequence(
            grouped,
            side,
            replace(settings.sequence, epochs=_again(epochs) if start else epochs),
            seed=settings.seed,
            device=settings.device,
            start=start.states["sequence"] if start else None,
            since=start.since if start else None,
            report=stage("sequence"),
        )
        return state_of(encoder)

    encoder = new_encoder(grouped, side, settings.sequence)
    resume(encoder, keep("sequence", compute))
    return encoder.to(settings.device).eval()


def _again(epochs: int) -> int:
    """Epochs that take newer events in."""
    return max(1, round(epochs * REFIT_SHARE))


def sequence_epochs(grouped: Histories, settings: StackSettings) -> int:
    """Epochs that a budget of multiplications allows: queries × candidates is what the softmax costs.

    Where one is within it, four are made: NDCG@10 on MovieLens 1M is .186 with two, .194 with four, .198 with eight.
    """
    queries = max(len(distinct(grouped.basket)), 1)
    candidates = min(len(distinct(grouped.item)), settings.sequence.candidates)
    allowed = 4e9 / (queries * max(candidates, 500))
    return _between(2, settings.effort * (max(allowed, 4.0) if allowed >= 1 else allowed), 8)


def _between(low: int, value: float, high: int) -> int:
    return int(min(max(value, low), high))
