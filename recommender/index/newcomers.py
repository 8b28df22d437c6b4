"""Items that come, or change, after a version was trained: their rows in it. One writer at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from django.db import connection, transaction
from django.db.models import Max
from numpy.typing import NDArray

from recommender.capture.tables import ItemTable
from recommender.dataset.item_encoder import ItemEncoder, fuse_parts
from recommender.dataset.link_packing import pack_links, unpack_links
from recommender.dataset.ranking_features import RELATIONS, STATISTICS
from recommender.dataset.text_features import unit_rows
from recommender.dataset.words import words_of
from recommender.index.locks import lock_until_commit
from recommender.index.nearest import nearest
from recommender.index.writer import shop_keys
from recommender.models import ItemEmbedding, ModelVersion

Floats = NDArray[np.float32]
LINKED: Final = 60  # others that an item's words lead to, as at training
CONTENT: Final = RELATIONS.index("content")
PRICE: Final = STATISTICS.index("price")

_UPDATE_LINKS: Final = f"""
UPDATE {ItemEmbedding._meta.db_table} AS own SET links = found.links
FROM unnest(%s::int[], %s::bytea[]) AS found (row, links)
WHERE own.version_id = %s AND own.row = found.row
"""  # noqa: S608  a name of our own


@dataclass(frozen=True, slots=True)
class _Known:
    """What the version has of an item already."""

    row: int
    vector: Floats
    is_cold: bool
    statistics: bytes


def take_in(
    version: ModelVersion, encoder: ItemEncoder, items: ItemTable, look_up: Callable[[Sequence[Any]], ItemTable]
) -> None:
    """Write the rows of new items and renew those of changed ones: vector, statistics, and links by words both ways.

    What was learned from events (the other parts of a known item, its other links) stays as it is.

    Args:
        look_up: the shop's keys → those items' texts and attributes.
    """
    keys = shop_keys(items.item)
    with transaction.atomic():
        lock_until_commit(f"items:{version.pk}")
        _write_rows(version, encoder, items, keys)
        _write_links(version, encoder, items, keys, look_up)


def _write_rows(version: ModelVersion, encoder: ItemEncoder, items: ItemTable, keys: list[Any]) -> None:
    parts = encoder.parts(items)
    vectors = fuse_parts(parts, {part["name"]: part["weight"] for part in version.parts})
    known = _known(version, keys)
    last = ItemEmbedding.objects.filter(version_id=version.pk).aggregate(last=Max("row"))["last"] or 0
    rows = []
    for place, key in enumerate(keys):
        old, statistics = known.get(key), encoder.statistics
        if old is not None:
            statistics = np.frombuffer(old.statistics, dtype="<f4")
            if not old.is_cold:
                vectors[place] = _with_content(version, old.vector, vectors[place])
        else:
            last += 1
        rows.append(
            ItemEmbedding(
                version_id=version.pk,
                item_id=key,
                vector=vectors[place].tolist(),
                row=old.row if old else last,
                statistics=_priced(statistics, items, place),
                # Of a new row; an old one keeps its own.
                popularity=0.0,
                is_cold=True,
                links=b"",
            )
        )
    ItemEmbedding.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["version", "item"], update_fields=["vector", "statistics"]
    )


def _known(version: ModelVersion, keys: list[Any]) -> dict[Any, _Known]:
    rows = ItemEmbedding.objects.filter(version_id=version.pk, item_id__in=keys)
    found = rows.values_list("item_id", "row", "vector", "is_cold", "statistics")
    return {
        key: _Known(row, np.array(vector, np.float32), is_cold, bytes(statistics or b""))
        for key, row, vector, is_cold, statistics in found
    }


def _with_content(version: ModelVersion, old: Floats, new: Floats) -> Floats:
    """[dim] the old vector with the new one's content part."""
    mixed = old.copy()
    columns = _columns(version, "content")
    mixed[columns] = new[columns]
    return np.asarray(unit_rows(mixed[None])[0])


def _columns(version: ModelVersion, name: str) -> slice:
    part = next(part for part in version.parts if part["name"] == name)
    return slice(part["start"], part["stop"])


def _priced(statistics: Floats, items: ItemTable, place: int) -> bytes:
    priced = statistics.astype("<f4")
    if items.price_cents is not None and np.isfinite(items.price_cents[place]):
        priced[PRICE] = np.log1p(max(float(items.price_cents[place]), 0.0))
    return priced.tobytes()


def _write_links(
    version: ModelVersion,
    encoder: ItemEncoder,
    items: ItemTable,
    keys: list[Any],
    look_up: Callable[[Sequence[Any]], ItemTable],
) -> None:
    """The relation "content" between these items and those whose content is nearest, in both directions."""
    near = [[other for other, _cosine in _nearest_content(version, key)] for key in keys]
    others = look_up(sorted({key for found in near for key in found}))
    words = dict(zip(shop_keys(others.item), words_of(others), strict=True))
    row_of = dict(
        ItemEmbedding.objects.filter(version_id=version.pk, item_id__in=[*words, *keys]).values_list("item_id", "row")
    )
    strengths: dict[int, dict[int, float]] = {}  # row → row → strength
    for key, found, own in zip(keys, near, words_of(items), strict=True):
        there = [other for other in found if other in words and other in row_of]
        values = encoder.words.strengths(own, [words[other] for other in there])
        strengths[row_of[key]] = {row_of[other]: float(value) for other, value in zip(there, values, strict=True)}
    _relink(version, strengths)


def _nearest_content(version: ModelVersion, key: Any) -> list[tuple[Any, float]]:
    own = ItemEmbedding.objects.values_list("vector", flat=True).get(version_id=version.pk, item_id=key)
    asked = np.zeros(version.dim, dtype=np.float32)
    columns = _columns(version, "content")
    asked[columns] = np.array(own, dtype=np.float32)[columns]
    return nearest(version, asked, LINKED, exclude=[key]) if asked.any() else []


def _relink(version: ModelVersion, strengths: dict[int, dict[int, float]]) -> None:
    """Replace the content links of the rows in `strengths`, and those that lead to them."""
    own = _read_links(version, list(strengths))
    changes: dict[int, dict[int, float]] = {row: {} for row in own}
    # All that is gone before anything new: of two of these items, what one has found must outlast what the other loses.
    for found in ({row: _content_gone(packed) for row, packed in own.items()}, strengths):
        for row, others in found.items():
            changes[row] |= others
            for other, strength in others.items():
                changes.setdefault(other, {})[row] = strength
    packed = own | _read_links(version, [row for row in changes if row not in own])
    rows = sorted(packed)
    links = [_with_links(packed[row], changes[row]) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE_LINKS, [rows, links, version.pk])


def _content_gone(packed: bytes) -> dict[int, float]:
    """Row → 0 of what the relation "content" leads to."""
    rows, strengths = unpack_links(packed)
    return dict.fromkeys(rows[strengths[:, CONTENT] != 0].tolist(), 0.0)


def _read_links(version: ModelVersion, rows: list[int]) -> dict[int, bytes]:
    found = ItemEmbedding.objects.filter(version_id=version.pk, row__in=rows).values_list("row", "links")
    return {row: bytes(links or b"") for row, links in found}


def _with_links(packed: bytes, content: dict[int, float]) -> bytes:
    """The packed links with other strengths of the relation "content" to the rows in `content`; 0 takes one away."""
    rows, strengths = unpack_links(packed)
    all_strengths = dict(zip(rows.tolist(), strengths, strict=True))
    for row, strength in content.items():
        entry = all_strengths.setdefault(row, np.zeros(len(RELATIONS), np.float32))
        entry[CONTENT] = strength
    kept = sorted(row for row, entry in all_strengths.items() if entry.any())
    entries = np.array([all_strengths[row] for row in kept], np.float32).reshape(len(kept), len(RELATIONS))
    return pack_links(np.array(kept, np.int64), entries)
