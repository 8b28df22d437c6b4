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
_PEERS: Final = "benchmarks.peers"
MODELS: Final[dict[str, Entry]] = {
    "popularity": Entry(f"{_PEERS}.popularity:Popularity"),
    "popularity-month": Entry(f"{_PEERS}.popularity:PopularityOfTheMonth"),
    "own-history": Entry(f"{_PEERS}.baskets:OwnHistory"),
    "tifu-knn": Entry(f"{_PEERS}.baskets:TifuKnn"),
    "item-knn": Entry(f"{_PEERS}.item_knn:ItemKnn"),
    "item-knn-last-5": Entry(f"{_PEERS}.item_knn:RecentItemKnn"),
    "transitions": Entry(f"{_PEERS}.transitions:DirectedTransitions"),
    "ease": Entry(f"{_PEERS}.ease:Ease"),
    "ease-recency": Entry(f"{_PEERS}.ease:RecentEase"),
    "content-knn": Entry(f"{_PEERS}.content:ContentKnn"),
    "als": Entry(f"{_PEERS}.als:ALS", is_apart=True),
    "lightgcn": Entry(f"{_PEERS}.lightgcn:LightGCN", is_apart=True),
    "mult-vae": Entry(f"{_PEERS}.mult_vae:MultVAE", is_apart=True),
    "bert4rec": Entry(f"{_PEERS}.transformers:BERT4Rec", is_apart=True),
    "sasrec": Entry(f"{_PEERS}.transformers:SASRec", is_apart=True),
    OURS: Entry("benchmarks.ours:Ours"),
}
