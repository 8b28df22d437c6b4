"""Two rankings in one list: each visitor compares them, so a preference shows with a fraction of the visitors.

Team draft: the two rankings pick in turns, a coin decides who begins each round, and a click counts for who picked.
Source: Radlinski, Kurup and Joachims, How does clickthrough data reflect retrieval quality, CIKM 2008.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from recommender.experiments.distributions import binomial_tail

Item = TypeVar("Item", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Drafted(Generic[Item]):
    """A list of both: `team[i]` is 0 or 1, the ranking that picked `items[i]`."""

    items: list[Item]
    team: list[int]


def team_draft(first: Sequence[Item], second: Sequence[Item], n: int, seed: str) -> Drafted[Item]:
    """At most `n` items of two rankings, each without doubles.

    Args:
        seed: of the coin; the same one gives the same list, so a list that is made again is the one that was shown.
    """
    coin = Random(seed)  # noqa: S311  no secret
    rankings, items, team = (list(first), list(second)), list[Item](), list[int]()
    taken: set[Item] = set()
    while len(items) < n:
        picked = len(items)
        begins = coin.randrange(2)
        for side in (begins, 1 - begins):
            choice = next((item for item in rankings[side] if item not in taken), None)
            if choice is not None and len(items) < n:
                taken.add(choice)
                items.append(choice)
                team.append(side)
        if len(items) == picked:
            break
    return Drafted(items, team)


@dataclass(frozen=True, slots=True)
class Preference:
    """Visitors who clicked more of one ranking's picks than of the other's; p: two-sided sign test over them."""

    first: int
    second: int
    p: float


def preference(clicks: Sequence[tuple[int, int]]) -> Preference:
    """One pair a visitor: how many of its clicks were on picks of the first, and of the second ranking."""
    first = sum(a > b for a, b in clicks)
    second = sum(b > a for a, b in clicks)
    return Preference(first, second, binomial_tail(first, first + second))
