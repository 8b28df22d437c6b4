"""Search by words: what the words mean to the catalogue, what its titles say, and a little of who asks.

Postgres' full text finds what is called so; where that is nothing, words that no item has are read as the most similar
ones that some have. The version's item encoder puts the words where an item of such a text would be, and finds what is
near; words that nobody knows mean nothing. Whoever writes "these words" or -without means the words, and gets no more.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import Error, transaction
from django.http import HttpRequest
from numpy.typing import NDArray

from recommender.catalog import get_catalog
from recommender.conf import conf
from recommender.exceptions import RecommenderError
from recommender.index.nearest import Vector, available_items, compare
from recommender.index.partitions import unpack_vectors
from recommender.index.publish import live_version
from recommender.index.reading import reading
from recommender.index.version_files import item_encoder
from recommender.models import ModelVersion, Visitor
from recommender.serving.caller import visitor_of_page
from recommender.serving.history import read_history
from recommender.serving.opinions import read_opinions
from recommender.serving.visitor_vector import visitor_encoder

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
MATCHES: Final = 200  # by words, and again by meaning
LIKELY: Final = 0.6  # cosine below which an item without any of the words is no answer
NAMED: Final = 2.0  # for the best match by words, half of it for the last: more than any meaning adds
PERSONAL: Final = 0.3  # times the cosine of visitor and item: decides between equals, turns nothing over
EXACT: Final = re.compile(r'"|(?<!\S)-\S')  # what Postgres' full text reads as a phrase, or as a word to leave out


@dataclass(frozen=True, slots=True)
class Match:
    """An available item that answers; `score` is comparable inside one search only."""

    item_id: Any
    score: float


def search_items(text: str, visitor: Visitor | None = None, exclude: Collection[Any] = ()) -> list[Match]:
    """Available items that answer `text`, best first; at most twice MATCHES.

    Without a version, or with one that cannot read words, by the catalogue's own search alone.

    Raises:
        DatabaseError: it does not answer within BUDGET_MS.
    """
    with reading(conf.BUDGET_MS, neighbours=MATCHES):
        unwanted = {*exclude, *read_opinions(visitor).refused}
        named, version = _named(text), live_version()
        encoder = item_encoder(version) if version is not None and not EXACT.search(text) else None
        is_known = True
        if encoder is not None and not named:
            text, is_known = encoder.words.spelled(text)
            named = _named(text) if text else []
        places = {key: place for place, key in enumerate(key for key in named if key not in unwanted)}
        by_words = {key: NAMED * (1 - place / (2 * MATCHES)) for key, place in places.items()}
        matches = [Match(key, score) for key, score in by_words.items()]
        if version is not None and encoder is not None and (named or is_known):
            matches = _by_meaning(version, encoder.content.encode_words(text), visitor, by_words, unwanted)
    return sorted(matches, key=lambda match: -match.score)


def _named(text: str) -> list[Any]:
    """Keys of what is called so; [] where the shop's own search does not answer: the meaning may be enough."""
    try:
        with transaction.atomic():
            return list(get_catalog().search(available_items(), text).values_list("pk", flat=True)[:MATCHES])
    except Error:
        logger.warning("The catalogue's search does not answer; a search goes on by meaning.", exc_info=True)
        return []


def _by_meaning(
    version: ModelVersion, meant: Vector, visitor: Visitor | None, by_words: dict[Any, float], unwanted: Collection[Any]
) -> list[Match]:
    """The matches by words and those that mean the same, in numbers.

    Args:
        meant: [content dim] unit norm, where an item of these words would be.
    """
    part = next(part for part in version.parts if part["name"] == "content")
    asked = np.zeros(version.dim, dtype=np.float32)
    asked[part["start"] : part["stop"]] = meant
    rows = compare(version, asked, nearest=MATCHES, named=by_words, exclude=unwanted)
    found = {row.item_id: row for row in rows}
    if not found:
        return [Match(key, score) for key, score in by_words.items()]
    vectors = unpack_vectors([row.vector for row in found.values()])
    meaning = vectors @ asked / np.float32(part["weight"] ** 0.5)  # [found] cosine of the content parts
    taste = _taste(version, visitor)
    liking = np.zeros(len(found), np.float32) if taste is None else vectors @ taste
    matches = [
        Match(key, float(by_words.get(key, 0.0) + cosine + PERSONAL * like))
        for key, cosine, like in zip(found, meaning, liking, strict=True)
        if key in by_words or cosine >= LIKELY
    ]
    unknown = [Match(key, score) for key, score in by_words.items() if key not in found]  # younger than the version
    return matches + unknown


def _taste(version: ModelVersion, visitor: Visitor | None) -> Vector | None:
    """[dim] the visitor's vector; None for somebody new, and where it cannot be computed: the words are enough."""
    if visitor is None:
        return None
    try:
        encoder = visitor_encoder(version)
        return encoder.encode(read_history(visitor, version, encoder.max_length))
    except RecommenderError:
        logger.warning("A search goes on without the visitor's taste.", exc_info=True)
        return None


def search_keys(request: HttpRequest, text: str) -> list[Any]:
    """As `search_items` for whoever sends the request, for a shop's own search page: the keys, best first; [] where
    anything fails, so that the page's own search answers."""
    try:
        return [match.item_id for match in search_items(text, visitor_of_page(request))]
    except (RecommenderError, Error):
        logger.warning("A search by words failed; the shop's own search answers.", exc_info=True)
        return []
