"""Full-text search over the products, in Postgres."""

import re
from typing import Final

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F

from shop.models import SEARCH_CONFIG, Product, ProductQuerySet

MAX_CHARACTERS: Final = 200
MAX_PREFIXES: Final = 8


def clean(text: str) -> str:
    """What a shopper typed, without what Postgres refuses (NUL) and in one line of reasonable length."""
    return " ".join(text.replace("\x00", " ").split())[:MAX_CHARACTERS]


def search_products(text: str) -> ProductQuerySet:
    """Products on the shelf that match, best first.

    Whole words are tried first (quotes, OR and "milk -chocolate" work); where none match, beginnings of words.
    """
    matches = _matching(SearchQuery(text, search_type="websearch", config=SEARCH_CONFIG))
    if matches.exists():
        return matches
    words = re.findall(r"\w+", text)[:MAX_PREFIXES]
    if not words:
        return Product.objects.none()
    return _matching(SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config=SEARCH_CONFIG))


def _matching(query: SearchQuery) -> ProductQuerySet:
    return (
        Product.objects.on_shelf()
        .filter(search=query)
        .annotate(rank=SearchRank(F("search"), query))
        .order_by("-rank", "-times_bought", "pk")
    )
