"""The item vectors on a plane, to look at: near each other where the vectors are."""

import json
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommender.encoders.tables import Part

Floats = NDArray[np.float32]
NAME: Final = "item_map.json"
MOST: Final = 2_000  # items that are drawn: more would be a cloud, and take minutes
PERPLEXITY: Final = 30.0
STEPS: Final = 500


def map_items(
    keys: NDArray[np.generic], vectors: Floats, popularity: Floats, parts: tuple[Part, ...], seed: int = 0
) -> bytes:
    """The most popular items as JSON {"items": keys, "x", "y": 0..1}; the same for the same input, bit by bit.

    Args:
        keys: [items] the shop's keys. vectors: [items, dim] fused; their popularity part is left out.
    Source: t-SNE, van der Maaten and Hinton, JMLR 2008, from a start by principal components.
    """
    chosen = np.argsort(-popularity, kind="stable")[:MOST]
    alike = np.concatenate(
        [vectors[chosen, part.start : part.stop] for part in parts if part.name != "popularity"], axis=1
    )
    plane = _plane(alike, seed)
    low, high = plane.min(axis=0), plane.max(axis=0)
    place = (plane - low) / np.maximum(high - low, 1e-9)
    x, y = (np.round(place[:, axis].astype(float), 4).tolist() for axis in (0, 1))
    return json.dumps({"items": keys[chosen].tolist(), "x": x, "y": y}).encode()


def _plane(vectors: Floats, seed: int) -> Floats:
    """[items, 2]"""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(vectors) < 5:  # too few to have neighbours
        return np.stack([np.arange(len(vectors)), np.zeros(len(vectors))], axis=1).astype(np.float32)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):  # its sums over threads have no fixed order
        return np.asarray(
            TSNE(2, perplexity=perplexity, init="pca", max_iter=STEPS, random_state=seed).fit_transform(vectors)
        )
