"""Keys in order → the shop's own objects, as long as they may be shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import BinaryField, F, Func, Model, OuterRef, QuerySet, Subquery

from recommender.catalog import get_catalog
from recommender.index.nearest import Vector, available_items
from recommender.index.partitions import unpack_vector
from recommender.models import ItemEmbedding, ModelVersion


@dataclass(frozen=True, slots=True)
class Shown:
    """An available item with the score that put it here; `vector` [dim] where a version was asked."""

    item: Model
    score: float
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rung answers: items in order, one reason each (none at all where the list's title says it)."""

    shown: list[Shown] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    version: ModelVersion | None = None


def take_available(scored: Sequence[tuple[Any, float]], n: int, version: ModelVersion | None = None) -> list[Shown]:
    """The first `n` of (item key, score), in this order, that are still available; one statement where none is gone."""
    taken: list[Shown] = []
    start, step = 0, n
    while len(taken) < n and start < len(scored):
        chunk = scored[start : start + step]
        start, step = start + step, step * 2
        items = {item.pk: item for item in _items([key for key, _ in chunk], version)}
        taken += [Shown(items[key], score, _vector(items[key])) for key, score in chunk if key in items]
    return taken[:n]


def _items(keys: Sequence[Any], version: ModelVersion | None) -> "QuerySet[Any]":
    items: QuerySet[Any] = available_items().filter(pk__in=keys).select_related(*get_catalog().select_related)
    if version is None:
        return items
    own = ItemEmbedding.objects.filter(version_id=version.pk, item_id=OuterRef("pk"))
    packed = Func(F("vector"), function="halfvec_send", output_field=BinaryField())
    items = items.annotate(recommender_vector=Subquery(own.values(packed=packed)[:1]))
    return items


def _vector(item: Any) -> Vector | None:
    packed = getattr(item, "recommender_vector", None)
    return None if packed is None else unpack_vector(packed)
