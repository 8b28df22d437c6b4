"""Trains the sequence encoder: windows in, next baskets out, one softmax over shared candidates a step."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recommender.dataset.distinct import distinct
from recommender.dataset.sequences import Histories, windows
from recommender.encoders.augmentation import View, contrast
from recommender.encoders.losses import sampled_softmax
from recommender.encoders.sequence import SequenceEncoder, SequenceSettings
from recommender.encoders.training import EpochReport, State, resume, seeded, silent, state_of

CHECK_EVERY = 20
MAX_CHECK_WINDOWS = 2_000
REPLAY = 2  # older windows that are learned again for each new one


@dataclass(frozen=True, slots=True)
class Targets:
    """What each basket end predicts.

    Attributes:
        first, last: [events] int32; event e, if it ends a basket, predicts events first[e]..last[e] (exclusive), the
            visitor's next basket; empty for every other event and for the last basket.
        weight: [events] float32 of an event as a target: 1 for an item new to the visitor, less for a repeat.
    """

    first: NDArray[np.int32]
    last: NDArray[np.int32]
    weight: NDArray[np.float32]


def next_baskets(grouped: Histories, repeat_weight: float) -> Targets:
    """The targets of every event of the log."""
    events = len(grouped.item)
    first, last = np.zeros(events, np.int32), np.zeros(events, np.int32)
    weight = np.full(events, repeat_weight, dtype=np.float32)
    before = 0
    for piece in grouped.pieces():
        owner, inside = piece.owner, slice(before, before + len(piece.item))
        starts = np.flatnonzero(np.diff(piece.basket, prepend=-1))
        stops = np.append(starts[1:], len(owner))
        same = np.flatnonzero(owner[starts[:-1]] == owner[starts[1:]])
        ends = stops[same] - 1
        first[inside][ends], last[inside][ends] = starts[same + 1] + before, stops[same + 1] + before
        _, first_seen = np.unique(piece.pairs(int(piece.item.max(initial=0)) + 1), return_index=True)
        weight[inside][first_seen] = 1.0
        before += len(owner)
    return Targets(first, last, weight)


class Batches:
    """Windows bucketed by length, so that padding stays small; each query is used in one window only.

    With `since`, in seconds since 1970 UTC, an epoch has the windows that hold an event of then or later, and `REPLAY`
    times as many older ones, drawn anew: without those it forgets (Complete Journey, new items: .057 instead of .062).
    """

    def __init__(self, grouped: Histories, settings: SequenceSettings, since: int | None = None) -> None:
        self.grouped, self.length = grouped, settings.length
        self.targets = next_baskets(grouped, settings.repeat_weight)
        cut = windows(grouped, settings.length, settings.length // 2)
        self.start, self.stop = cut.start, cut.stop
        self.size = settings.batch
        owner = grouped.owner[self.start]
        self.begins = self.start == grouped.offsets[owner]  # nothing of the history before it
        # Every twentieth visitor only tells when to stop.
        self.is_check = owner % CHECK_EVERY == CHECK_EVERY - 1
        self.is_new = np.ones(len(self.stop), bool) if since is None else grouped.at[self.stop - 1] >= since

    def epoch(self, generator: torch.Generator) -> list[NDArray[np.int64]]:
        """Window numbers of each step, in a new order: similar lengths together, steps shuffled."""
        training = np.flatnonzero(~self.is_check & self.is_new)
        if not len(training):
            return []
        older = np.flatnonzero(~self.is_check & ~self.is_new)
        drawn = torch.randperm(len(older), generator=generator).numpy()[: REPLAY * len(training)]
        training = np.sort(np.concatenate([training, older[drawn]]))
        noise = torch.rand(len(training), generator=generator).numpy()
        order = training[np.argsort((self.stop - self.start)[training] + noise, kind="stable")]
        steps = np.array_split(order, max(1, round(len(order) / self.size)))
        return [steps[i] for i in torch.randperm(len(steps), generator=generator).tolist()]

    def check(self) -> list[NDArray[np.int64]]:
        """Window numbers of each step of the visitors that are kept apart; always the same."""
        chosen = np.flatnonzero(self.is_check & self.is_new)[:MAX_CHECK_WINDOWS]
        return np.array_split(chosen, max(1, round(len(chosen) / self.size))) if len(chosen) else []

    def gather(self, chosen: NDArray[np.int64]) -> tuple[Tensor, ...]:
        """Tensors of one step.

        Returns:
            items, kinds [batch, length] int64 and ages [batch, length] float32, right-padded with 0;
            query [queries] int64 flat positions batch × length; of [pairs] int64 query number of each target;
            target [pairs] int64 item rows; weight [pairs] float32.
        """
        start, stop = self.start[chosen], self.stop[chosen]
        length = int((stop - start).max())
        place = start[:, None] + np.arange(length)[None, :]  # [batch, length] event numbers
        inside = place < stop[:, None]
        place = np.where(inside, place, 0)
        grouped = self.grouped
        items = np.where(inside, grouped.item[place], 0)
        kinds = np.where(inside, grouped.kind[place], 0)
        ages = np.where(inside, grouped.at[stop - 1][:, None] - grouped.at[place], 0).astype(np.float32)
        # The rest of a window belongs to the window before, unless it begins the history.
        first_fresh = np.where(self.begins[chosen], start, stop - self.length // 2)
        fresh = place >= first_fresh[:, None]
        first, last = self.targets.first[place], self.targets.last[place]
        query = np.flatnonzero(inside & fresh & (last > first))
        counts = (last - first).ravel()[query]
        of = np.repeat(np.arange(len(query)), counts)
        offset = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        event = np.repeat(first.ravel()[query], counts) + offset
        arrays = (
            items.astype(np.int64),
            kinds.astype(np.int64),
            ages,
            query,
            of,
            grouped.item[event].astype(np.int64),
            self.targets.weight[event],
        )
        return tuple(torch.from_numpy(array) for array in arrays)


def new_encoder(grouped: Histories, content: NDArray[np.float32], settings: SequenceSettings) -> SequenceEncoder:
    """One that has learned nothing yet, for these items: `content` is [item rows, content dim]."""
    log_popularity = np.log1p(np.bincount(grouped.item, minlength=len(content))).astype(np.float32)
    return SequenceEncoder(torch.from_numpy(content), torch.from_numpy(log_popularity), settings)


def train_sequence(
    grouped: Histories,
    content: NDArray[np.float32],
    settings: SequenceSettings,
    *,
    seed: int = 0,
    device: str = "cpu",
    start: State | None = None,
    since: int | None = None,
    report: EpochReport = silent,
) -> SequenceEncoder:
    """Fit on the histories; `content` is [item rows, content dim] with row 0 for padding. Returned in eval mode.

    Args:
        start: a state for these items to go on from; None begins anew.
        since: seconds since 1970 UTC; what `start` has not seen. Older windows are not learned again: a training that
            goes on costs what is new, however long the history is.
    """
    generator = seeded(seed)
    model = new_encoder(grouped, content, settings).to(device)
    resume(model, start)
    batches = Batches(grouped, settings, since)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    steps = settings.epochs * len(batches.epoch(torch.Generator().manual_seed(0)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps + 1)
    seen = torch.from_numpy(distinct(grouped.item))
    best: tuple[float, State] = (math.inf, {})
    for epoch in range(settings.epochs):
        total, count = 0.0, 0
        for chosen in batches.epoch(generator):
            loss = _step_loss(model, batches.gather(chosen), seen, settings, generator, device)
            if loss is None:
                continue
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total, count = total + loss.item(), count + 1
        report(epoch + 1, settings.epochs, total / max(count, 1))
        checked = _check_loss(model, batches, seen, settings, device)
        if checked >= best[0]:  # it has begun to learn visitors by heart
            break
        best = (checked, state_of(model))
    resume(model, best[1])
    return model.eval()


@torch.no_grad()
def _check_loss(
    model: SequenceEncoder, batches: Batches, seen: Tensor, settings: SequenceSettings, device: str
) -> float:
    """Mean loss on the visitors that are kept apart; NaN where there are none, which never stops a training."""
    model.eval()
    generator = torch.Generator().manual_seed(0)
    plain = replace(settings, own_drop=0.0, views=())
    losses = [_step_loss(model, batches.gather(chosen), seen, plain, generator, device) for chosen in batches.check()]
    model.train()
    known = [loss.item() for loss in losses if loss is not None]
    return sum(known) / len(known) if known else math.nan


def _step_loss(
    model: SequenceEncoder,
    batch: tuple[Tensor, ...],
    seen: Tensor,
    settings: SequenceSettings,
    generator: torch.Generator,
    device: str,
) -> Tensor | None:
    """Mean over queries of log Z - the weighted mean logit of the query's targets, and the contrast between views where
    there are any; None where no query is."""
    items, kinds, ages, query, of, target, weight = (tensor.to(device) for tensor in batch)
    if not len(query):
        return None
    candidates, log_q = _candidates(target, seen, settings.candidates, generator)
    rows, place = torch.unique(torch.cat([candidates, items.ravel()]), return_inverse=True)
    keep = (torch.rand(len(rows), 1, generator=generator) >= settings.own_drop).float().to(device)
    table = model.items(rows, keep)  # [rows, dim]
    history = table[place[len(candidates) :]].reshape(*items.shape, -1)  # [batch, length, dim]
    hidden = model.visitor(history, kinds, ages).flatten(0, 1)[query]  # [queries, dim]
    loss = sampled_softmax(
        hidden,
        table[place[: len(candidates)]],
        of,
        torch.searchsorted(candidates, target),
        scale=model.log_scale.exp(),
        bias=model.popularity_weight * model.log_popularity[candidates] - log_q.to(device),
        weight=weight,
    )
    if not settings.views:
        return loss
    return loss + settings.contrast * contrast(model.visitor, View(history, kinds, ages), settings.views, generator)


def _candidates(target: Tensor, seen: Tensor, most: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """All seen items, or the targets and a sample: (rows ascending [n], log of the chance to be drawn [n])."""
    if len(seen) <= most:
        return seen.to(target.device), torch.zeros(len(seen))
    sample = seen[torch.randperm(len(seen), generator=generator)[:most]].to(target.device)
    candidates = torch.unique(torch.cat([target, sample]))
    # A target is there for sure, any other item with the chance of the sample.
    log_q = torch.full((len(candidates),), np.log(most / len(seen)), dtype=torch.float32)
    log_q[torch.searchsorted(candidates, target).cpu()] = 0.0
    return candidates, log_q
