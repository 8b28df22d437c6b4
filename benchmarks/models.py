"""The models of the quality benchmark by name. Imports none of them: each runs in a process of its own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a model's class is.

    Attributes:
        path: module:Class.
        is_apart: it needs the peers' environment (`make bench-install`).
    """

    path: str
    is_apart: bool = False


OURS: Final = "ours"
_COUNTING: Final = "benchmarks.peers"
MODELS: Final[dict[str, Entry]] = {
    "popularity": Entry(f"{_COUNTING}.popularity:Popularity"),
    "popularity-month": Entry(f"{_COUNTING}.popularity:PopularityOfTheMonth"),
    "own-history": Entry(f"{_COUNTING}.baskets:OwnHistory"),
    "tifu-knn": Entry(f"{_COUNTING}.baskets:TifuKnn"),
    "item-knn": Entry(f"{_COUNTING}.item_knn:ItemKnn"),
    "item-knn-last-5": Entry(f"{_COUNTING}.item_knn:RecentItemKnn"),
    "transitions": Entry(f"{_COUNTING}.transitions:DirectedTransitions"),
    "ease": Entry(f"{_COUNTING}.ease:Ease"),
    "ease-recency": Entry(f"{_COUNTING}.ease:RecentEase"),
    "content-knn": Entry(f"{_COUNTING}.content:ContentKnn"),
    OURS: Entry("benchmarks.ours:Ours"),
}
