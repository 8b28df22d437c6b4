"""New and changed items → the live version, seconds after they were saved and without a training. No torch here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef

from recommender.capture.export import export_items
from recommender.catalog import all_items
from recommender.index.newcomers import take_in
from recommender.index.version_files import item_encoder
from recommender.models import ItemChange, ItemEmbedding, ModelVersion

BATCH: Final = 100  # items a transaction


def refresh_items() -> int:
    """Take in what was saved since; how many items it were. Twice, or two at once, does no harm."""
    version = _live()
    if version is None:
        return 0
    if version.run.started_at is not None:  # learned by the training itself, at least by this one
        ItemChange.objects.filter(changed_at__lt=version.run.started_at).delete()
    done = 0
    while changes := list(_pending(version)):
        take_in_keys(version, [key for key, _changed_at in changes])
        noted = sum(  # one that was saved again meanwhile is pending again
            ItemChange.objects.filter(item_id=key, changed_at=changed_at).update(version=version)
            for key, changed_at in changes
        )
        done += len(changes)
        if not noted:  # none is found by its time any more: looking again would go on for ever
            break
    return done


def take_in_missing() -> int:
    """Take in items that came past `save()`: bulk_create, a statement, another program; how many."""
    version = _live()
    done = 0
    while version is not None and (keys := list(_missing(version))):
        take_in_keys(version, keys)
        done += len(keys)
    return done


def take_in_keys(version: ModelVersion, keys: list[Any]) -> None:
    """Write these items into the version; does nothing where the version cannot encode them."""
    encoder = item_encoder(version)
    items = export_items(keys)
    if encoder is not None and len(items):
        take_in(version, encoder, items, export_items)


def _live() -> ModelVersion | None:
    """The live version, where it can take items in."""
    version = ModelVersion.objects.filter(is_live=True).select_related("run").first()
    return version if version is not None and item_encoder(version) is not None else None


def _pending(version: ModelVersion) -> Iterator[tuple[Any, datetime]]:
    behind = ItemChange.objects.exclude(version=version)
    return behind.order_by("pk").values_list("item_id", "changed_at")[:BATCH].iterator()


def _missing(version: ModelVersion) -> Iterator[Any]:
    known = ItemEmbedding.objects.filter(version_id=version.pk, item_id=OuterRef("pk"))
    return iter(all_items().filter(~Exists(known)).order_by("pk").values_list("pk", flat=True)[:BATCH])
