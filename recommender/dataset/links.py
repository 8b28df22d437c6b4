"""What leads to what: for every item the others that follow it, counted from the log and read from the catalogue.

Three relations, each a sparse matrix from an item to at most `MOST` others with a strength in 0..1:

    follow   taken by the same visitor in the same basket or soon after (asymmetric)
    ease     what an item adds to the guess of another, all others held fixed
    content  words and attributes in common; known for an item that nobody took yet

Counting takes seconds, and on shop data it knows things that a vector of a hundred numbers does not. The relations
find candidates beside the vectors and are features of the ranker.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import scipy.linalg.lapack
import scipy.sparse as sp
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable
from recommender.dataset.graph import binary_matrix
from recommender.dataset.link_packing import pack_links
from recommender.dataset.portions import portions, stacked
from recommender.dataset.ranking_features import RELATIONS
from recommender.dataset.sequences import Histories, first_of_a_day
from recommender.dataset.words import MOST_ITEMS_OF_A_WORD, WordWeights, words_of

Floats = NDArray[np.float32]
Links = dict[str, sp.csr_matrix]  # relation → [item rows, item rows] float32

MOST: Final = 60  # others an item and relation
REACH_BASKETS: Final = 10
REACH_EVENTS: Final = 24  # bounds the work where baskets are large
DISTANCES_SUMMED: Final = 8  # into one matrix: bounds the memory
EVENTS_A_BLOCK: Final = 2_500_000  # of the items whose pairs are counted together: bounds it, too
BASKET_DECAY: Final = 0.6  # weight lost with every basket in between
DAMPING: Final = 10.0  # visitors; keeps rare items from the top
EASE_ITEMS: Final = 4_000  # the most taken ones: the work grows with the cube
EASE_REGULARISATION: Final = 200.0
CHUNK: Final = 1_024
ENTRIES: Final = 2_000_000  # of a matrix, sorted or packed together: bounds the memory


def link_items(grouped: Histories, items: ItemTable, content: sp.csr_matrix | None = None) -> Links:
    """All relations; rows are those of the vocabulary of `items`, row 0 is padding and stays empty.

    Args:
        content: that relation of the same items, where it is known already.
    """
    rows = len(items) + 1
    return {
        "follow": _as_stored(follows(grouped, rows)),
        "ease": _as_stored(ease(grouped, rows)),
        "content": _as_stored(alike(items)) if content is None else content,
    }


def _as_stored(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Scaled so that the largest strength is 1, at the half precision that serving reads."""
    largest = float(matrix.data.max(initial=0.0))
    matrix.data = (matrix.data / max(largest, 1e-9)).astype(np.float16).astype(np.float32)
    matrix.eliminate_zeros()
    return matrix


def follows(grouped: Histories, rows: int) -> sp.csr_matrix:
    """Strength of "b in the same basket or within ten baskets after a", less for every basket in between.

    A visitor counts once a day and item, so that nobody can push a pair by repeating it.
    """
    taken = np.bincount(grouped.item, minlength=rows)
    count = np.zeros(rows, np.int64)
    for piece in grouped.pieces():
        count += np.bincount(piece.item[first_of_a_day(piece)], minlength=rows)
    scale = 1 / np.sqrt(count + DAMPING)

    def strongest() -> Iterator[sp.csr_matrix]:
        for block in portions(taken, EVENTS_A_BLOCK):
            total, scaled = _pairs(grouped, block, rows), scale[block]
            for few in portions(np.diff(total.indptr), ENTRIES):
                yield _strongest(sp.diags(scaled[few]) @ total[few] @ sp.diags(scale))

    return stacked(strongest(), MOST, (rows, rows))


def _pairs(grouped: Histories, block: slice, rows: int) -> sp.csr_matrix:
    """[block, rows] summed weight of what came after the items in `block`."""
    total = sp.csr_matrix((block.stop - block.start, rows), dtype=np.float32)
    for piece in grouped.pieces():
        first = first_of_a_day(piece)
        for pairs in _later(piece.owner[first], piece.item[first], piece.basket[first], block, rows):
            total = total + pairs
    return total


def _later(
    owner: NDArray[np.int64], item: NDArray[np.int32], basket: NDArray[np.int32], block: slice, rows: int
) -> Iterator[sp.csr_matrix]:
    """[block, rows] pairs of events by how far apart they stand, from items in `block`; within a basket in both
    directions."""
    parts: list[tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]] = []
    farthest = min(REACH_EVENTS, len(item) - 1)
    for distance in range(1, farthest + 1):
        first, second = slice(None, -distance), slice(distance, None)
        between = basket[second] - basket[first]
        near = (owner[first] == owner[second]) & (between <= REACH_BASKETS) & (item[first] != item[second])
        a, b, gap = item[first][near], item[second][near], between[near]
        weight = BASKET_DECAY ** np.maximum(gap - 1, 0).astype(np.float32)
        together = gap == 0
        a, b = np.concatenate([a, b[together]]), np.concatenate([b, a[together]])
        inside = (a >= block.start) & (a < block.stop)
        parts.append((np.concatenate([weight, weight[together]])[inside], a[inside] - block.start, b[inside]))
        if distance % DISTANCES_SUMMED == 0 or distance == farthest:
            values, first_item, second_item = (np.concatenate(column) for column in zip(*parts, strict=True))
            parts.clear()
            yield sp.csr_matrix((values, (first_item, second_item)), shape=(block.stop - block.start, rows))


def ease(grouped: Histories, rows: int) -> sp.csr_matrix:
    """The weights of a linear autoencoder without a diagonal, in closed form; strongest ones only.

    Source: Steck, Embarrassingly Shallow Autoencoders, arXiv:1905.03375.
    """
    taken = binary_matrix(grouped.offsets, grouped.item, rows)
    visitors = np.bincount(taken.indices, minlength=rows)
    columns = np.sort(np.argsort(-visitors, kind="stable")[:EASE_ITEMS])
    columns = columns[visitors[columns] > 1]
    if not len(columns):
        return sp.csr_matrix((rows, rows), dtype=np.float32)
    taken = taken[:, columns]
    gram = (taken.T @ taken).toarray(order="F")
    del taken
    gram[np.diag_indices_from(gram)] += EASE_REGULARISATION
    factor, _ = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    weights, _ = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)  # the inverse, its upper half undefined
    np.copyto(weights, weights.T, where=np.tri(len(columns), k=-1, dtype=bool).T)
    weights /= -np.diag(weights)  # a new array, so that all are divided by what stood there
    weights[np.diag_indices_from(weights)] = 0.0
    chosen = _strongest(_positive(weights)).tocoo()
    return sp.csr_matrix((chosen.data, (columns[chosen.row], columns[chosen.col])), shape=(rows, rows))


def _positive(weights: Floats) -> sp.csr_matrix:
    """The `MOST` largest of every row, dropped where they are not positive."""
    k = min(MOST, weights.shape[1])

    def largest() -> Iterator[sp.csr_matrix]:
        for at in range(0, len(weights), CHUNK):
            rows = weights[at : at + CHUNK]
            best = np.argpartition(-rows, k - 1, axis=1)[:, :k]
            values = np.maximum(np.take_along_axis(rows, best, axis=1), 0.0)
            yield sp.csr_matrix((values.ravel(), best.ravel(), np.arange(0, values.size + 1, k)), shape=rows.shape)

    matrix = stacked(largest(), k, weights.shape)
    matrix.eliminate_zeros()
    return matrix


def alike(items: ItemTable) -> sp.csr_matrix:
    """Cosine of the items' words and attribute values, weighted by rarity (TF-IDF)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = len(items) + 1
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=1, dtype=np.float32)
    documents = list(words_of(items))
    if not any(documents):
        return sp.csr_matrix((rows, rows), dtype=np.float32)
    words = sp.csr_matrix(vectorizer.fit_transform(documents))  # [items, words] unit norm
    common = np.diff(words.tocsc().indptr)
    words = words[:, (common > 1) & (common <= MOST_ITEMS_OF_A_WORD)]
    back = words.T.tocsr()
    blocks = (_strongest(_without_self(words[at : at + CHUNK] @ back, at)) for at in range(0, len(items), CHUNK))
    matrix = stacked(blocks, MOST, (len(items), len(items)))
    return sp.csr_matrix((matrix.data, matrix.indices + 1, np.append(0, matrix.indptr)), shape=(rows, rows))


def word_weights(items: ItemTable, links: Links) -> WordWeights:
    """What gives an item that comes later its relation "content" to these items."""
    content = links["content"].tocoo()
    if not content.nnz:
        return WordWeights.of(items)
    best = int(content.data.argmax())
    return WordWeights.of(items, (int(content.row[best]) - 1, int(content.col[best]) - 1))


def _without_self(block: sp.csr_matrix, at: int) -> sp.csr_matrix:
    coo = block.tocoo()
    other = coo.col != coo.row + at
    return sp.csr_matrix((coo.data[other], (coo.row[other], coo.col[other])), shape=block.shape)


def _strongest(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The `MOST` largest entries of every row."""
    coo = matrix.tocoo()
    share = coo.data / max(float(coo.data.max(initial=0.0)), 1e-9)
    order = np.argsort(2.0 * coo.row - share, kind="stable")  # by row, strongest first
    row, column, value = coo.row[order], coo.col[order], coo.data[order]
    place = np.arange(len(row)) - np.searchsorted(row, row, side="left")
    keep = place < MOST
    return sp.csr_matrix((value[keep].astype(np.float32), (row[keep], column[keep])), shape=matrix.shape)


def packed(links: Links) -> list[bytes]:
    """[item rows] every row's links of all relations as bytes."""
    sizes = sum(np.diff(links[relation].indptr) for relation in RELATIONS)
    return [
        one for few in portions(sizes, ENTRIES) for one in _packed([links[relation][few] for relation in RELATIONS])
    ]


def _packed(links: list[sp.csr_matrix]) -> list[bytes]:
    """The same of a few rows, by place in RELATIONS."""
    matrices = [matrix.tocoo() for matrix in links]
    row, other, relation, strength = (
        np.concatenate(column)
        for column in (
            [matrix.row for matrix in matrices],
            [matrix.col for matrix in matrices],
            [np.full(matrix.nnz, place) for place, matrix in enumerate(matrices)],
            [matrix.data for matrix in matrices],
        )
    )
    rows, width = matrices[0].shape
    pair, place = np.unique(row.astype(np.int64) * width + other, return_inverse=True)
    strengths = np.zeros((len(pair), len(RELATIONS)), dtype=np.float32)
    strengths[place, relation] = strength
    bounds = np.searchsorted(pair, np.arange(rows + 1) * width)
    return [
        pack_links(pair[first:last] % width, strengths[first:last])
        for first, last in zip(bounds[:-1], bounds[1:], strict=True)
    ]
