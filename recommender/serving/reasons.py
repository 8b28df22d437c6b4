"""Why an item is in the list, in words that are true: said only where the numbers say it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from django.utils.translation import gettext as _

from recommender.capture.tables import CART, PURCHASE
from recommender.index.nearest import Vector, likeness
from recommender.models import ModelVersion
from recommender.serving.entries import Shown, titles
from recommender.serving.history import History

OFTEN: Final = 3  # purchases that make a habit
MIN_SIMILARITY: Final = 0.3  # cosine below which "because" would be a guess


def explain(shown: Sequence[Shown], history: History, version: ModelVersion) -> list[str]:
    """One reason an item: a habit, a purchase before, the event whose item is most like it, or "" where none is."""
    purchases = count_purchases(history)
    vectors = likeness(version, history.vectors)
    causes = [
        None
        if entry.item.pk in purchases or entry.vector is None
        else _nearest_event(likeness(version, entry.vector), history, vectors)
        for entry in shown
    ]
    named = titles([history.item[row] for row in causes if row is not None])
    return [
        repeat_reason(purchases[entry.item.pk])
        if row is None and entry.item.pk in purchases
        else _because(row, history, named)
        for entry, row in zip(shown, causes, strict=True)
    ]


def count_purchases(history: History) -> dict[Any, int]:
    """item key → how many times it was bought."""
    keys, counts = np.unique(history.item[history.kind == PURCHASE], return_counts=True)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def repeat_reason(purchases: int) -> str:
    """For an item that the visitor has bought."""
    return _("You buy this often") if purchases >= OFTEN else _("You bought this before")


def _nearest_event(vector: Vector, history: History, vectors: Vector) -> int | None:
    """Row of the event whose item is most like the entry's, by cosine; the newest one of equals.

    Args:
        vector: [dim] of the entry. vectors: [events with a vector, dim] of the history; all of unit norm.
    """
    if not len(vectors):
        return None
    cosine = vectors @ vector  # [events with a vector]
    newest_first = cosine[::-1]
    best = len(cosine) - 1 - int(newest_first.argmax())
    return int(np.flatnonzero(history.has_vector)[best]) if cosine[best] >= MIN_SIMILARITY else None


def _because(row: int | None, history: History, named: Mapping[Any, str]) -> str:
    title = None if row is None else named.get(history.item[row])
    if row is None or title is None:
        return ""
    if history.kind[row] == PURCHASE:
        return _("Because you bought %(title)s") % {"title": title}
    if history.kind[row] == CART:
        return _("Because you chose %(title)s") % {"title": title}
    return _("Because you looked at %(title)s") % {"title": title}
