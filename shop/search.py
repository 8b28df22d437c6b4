"""Full-text search over the products, in Postgres."""

import re
from typing import Final

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F
from django.http import HttpRequest

from recommender.serving.search import search_keys
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
    return search_among(Product.objects.on_shelf(), text)


def search_among(products: ProductQuerySet, text: str) -> ProductQuerySet:
    """The same among some products."""
    matches = _matching(products, SearchQuery(text, search_type="websearch", config=SEARCH_CONFIG))
    if matches.exists():
        return matches
    words = re.findall(r"\w+", text)[:MAX_PREFIXES]
    if not words:
        return products.none()
    beginnings = " & ".join(f"{word}:*" for word in words)
    return _matching(products, SearchQuery(beginnings, search_type="raw", config=SEARCH_CONFIG))


def search_for(request: HttpRequest, text: str) -> list[int]:
    """Keys of what is on the shelf and answers, best first: in the order of the recommender, which also knows what
    means the same and who asks, then what else matches; by the matches alone where it does not answer."""
    best = search_keys(request, text)
    known = set(best)
    return best + [pk for pk in search_products(text).values_list("pk", flat=True) if pk not in known]


def _matching(products: ProductQuerySet, query: SearchQuery) -> ProductQuerySet:
    return (
        products.filter(search=query)
        .annotate(rank=SearchRank(F("search"), query))
        .order_by("-rank", "-times_bought", "pk")
    )
