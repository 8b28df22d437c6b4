"""A saved item is noted in the shop's own transaction, and the worker told after its commit. The page waits for neither
an encoder nor the broker."""

import logging
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import F, GeneratedField
from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.dispatch import receiver

from recommender.catalog import get_catalog, item_model
from recommender.delivery import nudge
from recommender.models import ItemChange
from recommender.savepoints import unharmed

logger = logging.getLogger(__name__)

REFRESH_TASK: Final = "recommender.refresh_items"


@receiver(post_save, dispatch_uid="recommender.item_saved")
def note_change(sender: Any, instance: Any, update_fields: frozenset[str] | None = None, **named: Any) -> None:
    """For the item model, proxies of its table, and children. A failure is logged and never reaches the shop."""
    try:
        model: Any = item_model()._meta.concrete_model  # the item model may be a proxy itself
        if not isinstance(instance, model) or not _matters(update_fields):
            return
        with unharmed():
            note_items([instance.pk])
    except Exception:
        # Whatever is wrong here, the shop's product is saved; the beat finds new ones, too.
        logger.exception("A saved item was not noted.")


def note_items(keys: list[Any]) -> None:
    """Have these items taken into the live version within seconds: for a shop that writes past `save()`."""
    ItemChange.objects.bulk_create(
        [ItemChange(item_id=key, changed_at=Now(), version=None) for key in sorted(set(keys))],
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=["changed_at", "version"],
    )
    transaction.on_commit(partial(nudge, REFRESH_TASK))


def _matters(update_fields: frozenset[str] | None) -> bool:
    """False for a save of nothing that the encoder reads, of the stock say."""
    if update_fields is None:
        return True
    catalog = get_catalog()
    read = [*catalog.text, *catalog.attributes, *([catalog.price_cents] if catalog.price_cents else [])]
    names = {lookup.split("__")[0] for lookup in read}
    for field in item_model()._meta.concrete_fields:
        if field.name in names and isinstance(field, GeneratedField):  # Postgres makes it from what is saved
            parts = field.expression.flatten()  # type: ignore[attr-defined]
            names |= {part.name for part in parts if isinstance(part, F)}  # type: ignore[attr-defined]
    return not names.isdisjoint(update_fields) or not names.isdisjoint(
        name.removesuffix("_id") for name in update_fields
    )
