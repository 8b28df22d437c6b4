"""How far do fake visitors push an item? One in a hundred visitors is fake, in a generated shop.

    python -m benchmarks.poisoning

The fakes are careful: ordinary browsers, a human pace, a fresh visit every day, so no rule flags their views and carts
(their clicks carry no valid token, so those are flagged). Every day for a month each looks at the best sellers and, in
between, at one item that hardly sells, again and again, and puts it into the basket.

Share of lists: of all lists of ten ("popular" and "for you" of every honest visitor, "bought together" of every item)
that hold the pushed item. Unprotected is the same pipeline where nobody asks who sent an event, how often, and what it
was: every moment of a fake counts as another visitor's, and its items at one moment as bought together.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW, EventLog, ItemTable
from recommender.dataset.graph import item_pairs
from recommender.dataset.sequences import histories
from recommender.dataset.split import holdout_start, lesson, split_by_time
from recommender.encoders.graph import GraphSettings
from recommender.encoders.sequence import SequenceSettings
from recommender.encoders.stack import StackSettings
from recommender.learning import PipelineSettings, learn, moment, served_lists
from recommender.pipeline import MAX_HOLDOUT_SHARE
from recommender.stages import Stages

Doubles = NDArray[np.floating[Any]]

DAY = 86_400
START = 1_790_000_000
DAYS = 60
ATTACK_DAYS = 30
CAMPS = 6
LIST = 10
FAKE = 1_000_000  # numbers of fake visitors begin here
LIMIT = 2.0  # how much more of the lists the pushed item may get


@dataclass(frozen=True, slots=True)
class World:
    """A shop with its honest visitors and the fakes' events, doubted or not.

    Attributes:
        honest, fake: event logs. is_doubted: [fake events] bool. pushed: key of the item that hardly sells.
    """

    items: ItemTable
    honest: EventLog
    fake: EventLog
    is_doubted: NDArray[np.bool_]
    pushed: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Share of lists that hold the pushed item."""

    popular: float
    for_you: float
    bought_together: float
    all_lists: float


def make_world(visitors: int, items: int, fakes: int, seed: int) -> World:
    """Honest visitors buy within their camp, best sellers more often; the pushed item is of the tail."""
    rng = np.random.default_rng(seed)
    chance: Doubles = 1.0 / np.arange(1, items + 1) ** 0.8
    chance /= chance.sum()
    pushed = items * 2 // 3
    honest = _log([row for visitor in range(visitors) for row in _honest(visitor, chance, rng)])
    rows = [row for fake in range(fakes) for row in _fake(FAKE + fake, pushed, rng)]
    fake_log = _log(rows)
    keys = np.arange(1, items + 1)
    titles = [f"article {key}" for key in keys]
    table = ItemTable(keys, titles, titles, {"camp": [str(key % CAMPS) for key in keys]})
    return World(table, honest, fake_log, fake_log.kind == CLICK, pushed)


def _honest(visitor: int, chance: Doubles, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    own = np.flatnonzero(np.arange(1, len(chance) + 1) % CAMPS == visitor % CAMPS)
    rows = []
    for day in rng.choice(DAYS, size=6, replace=False):
        at = START + int(day) * DAY + int(rng.integers(DAY // 2))
        of_camp = rng.choice(own, 4, p=chance[own] / chance[own].sum())
        taken = np.where(rng.random(4) < 0.7, of_camp, rng.choice(len(chance), 4, p=chance))
        for step, item in enumerate(np.unique(taken)):
            rows.append((visitor, int(item) + 1, VIEW, at + step * 40))
            if rng.random() < 0.6:
                rows.append((visitor, int(item) + 1, PURCHASE, at + 600))
    return rows


def _fake(visitor: int, pushed: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    rows = []
    for day in range(DAYS - ATTACK_DAYS, DAYS):
        at = START + day * DAY + int(rng.integers(DAY // 2))
        for step, best_seller in enumerate(rng.permutation(20) + 1):
            moment_ = at + step * 30
            rows += [(visitor, int(best_seller), VIEW, moment_), (visitor, pushed, VIEW, moment_)]
            rows += [(visitor, pushed, CLICK, moment_ + 5), (visitor, pushed, CART, moment_ + 10)]
    return rows


def _log(rows: list[tuple[int, int, int, int]]) -> EventLog:
    visitor, item, kind, at = (np.array(column) for column in zip(*sorted(rows, key=lambda row: row[3]), strict=True))
    return EventLog(visitor, item, kind.astype(np.int8), at, np.ones(len(rows), dtype=np.float32))


def join(first: EventLog, second: EventLog) -> EventLog:
    """Both logs in the order of time."""
    order = np.argsort(np.concatenate([first.at, second.at]), kind="stable")
    columns = [
        np.concatenate([getattr(first, name), getattr(second, name)])[order]
        for name in ("visitor", "item", "kind", "at", "quantity")
    ]
    return EventLog(*columns)


def unasked(log: EventLog, kind: int | None = None) -> EventLog:
    """Every moment as another visitor's, and as an event of `kind`: what counts where nobody asks who and what."""
    _moments, number = np.unique(np.stack([log.visitor, log.at]), axis=1, return_inverse=True)
    return replace(log, visitor=FAKE + number, kind=log.kind if kind is None else np.full_like(log.kind, kind))


def settings_of(effort: float) -> PipelineSettings:
    """Small encoders: the world is small, too."""
    return PipelineSettings(
        stack=StackSettings(
            content_dim=16,
            effort=effort,
            graph=GraphSettings(dim=32, batch=2_048, negatives=64),
            sequence=SequenceSettings(dim=32, length=32, batch=64),
        )
    )


def shares(world: World, log: EventLog, purchases: EventLog, settings: PipelineSettings) -> Shares:
    """Train as the pipeline does, and ask every honest visitor's lists as of the end of the log.

    Args:
        purchases: what "bought together" is counted from.
    """
    train, _holdout = split_by_time(log, holdout_start(log, MAX_HOLDOUT_SHARE, settings.holdout_days))
    validation = lesson(train, holdout_start(train, settings.validation_share))
    learned = learn(validation, log, world.items, settings, Stages(lambda progress: None))
    stack = learned.stack
    seen = moment(stack, learned.parts, log, int(log.at[-1]))
    asked = np.flatnonzero(seen.grouped.visitor < FAKE)
    best = _tops(served_lists(stack, seen, settings, learned.ranker).scorer(learned.ranker)(asked))
    top_sellers = np.argsort(-seen.popularity, kind="stable")[:LIST]
    pairs = item_pairs(histories(purchases, stack.items), len(stack.items), settings.min_buyers, most=LIST)
    for_you = float((best == world.pushed).any(axis=1).sum())
    in_popular = float(world.pushed in top_sellers) * len(asked)
    together = float(np.count_nonzero(pairs.other == world.pushed))
    items = len(world.items)
    everything = (for_you + in_popular + together) / (2 * len(asked) + items)
    return Shares(in_popular / len(asked), for_you / len(asked), together / items, everything)


def _tops(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """[visitors, LIST] item rows, best first; rows are keys here, because keys count from 1."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :LIST]


def measure(world: World, effort: float) -> dict[str, Shares]:
    """Share of lists before the attack, and after it with and without protection."""
    settings = settings_of(effort)
    believed = join(world.honest, world.fake.where(~world.is_doubted))
    raw = join(world.honest, unasked(world.fake))
    return {
        "before": shares(world, world.honest, world.honest, settings),
        "unprotected": shares(world, raw, join(world.honest, unasked(world.fake, PURCHASE)), settings),
        "protected": shares(world, believed, believed, settings),
    }


def mean_of(shares: Sequence[Shares]) -> Shares:
    """Over several worlds."""
    return Shares(*(float(np.mean(column)) for column in zip(*map(astuple, shares), strict=True)))


def show(measured: dict[str, Shares]) -> float:
    """Print the table; the ratio of protected to before."""
    table = Table("share of lists with the item", *measured, "unprotected ×", "protected ×", title="Poisoning")
    for name in ("popular", "for_you", "bought_together", "all_lists"):
        before, raw, kept = (getattr(shares, name) for shares in measured.values())
        ratios = [f"{after / before:.2f}" if before else "–" for after in (raw, kept)]
        table.add_row(name.replace("_", " "), *(f"{share:.4f}" for share in (before, raw, kept)), *ratios)
    Console().print(table)
    return measured["protected"].all_lists / measured["before"].all_lists


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=2_000)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--effort", type=float, default=0.1, help="of the training, 1.0 as in a shop")
    parser.add_argument("--worlds", type=int, default=3, help="measured, each with another seed; means are shown")
    asked = parser.parse_args()
    found = []
    for seed in range(asked.worlds):
        world = make_world(asked.visitors, asked.items, max(asked.visitors // 100, 1), seed)
        print(f"World {seed}: {len(world.honest):,} honest events, {len(world.fake):,} of fakes", flush=True)
        found.append(measure(world, asked.effort))
    return 0 if show({name: mean_of([each[name] for each in found]) for name in found[0]}) < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
