"""What a visitor said of items, for its own eyes, and the way to take each word of it back."""

import logging
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import Error
from django.utils.translation import gettext as _

from recommender.capture.items import key_or_none
from recommender.catalog import all_items, get_catalog
from recommender.models import Feedback, Visitor

logger = logging.getLogger(__name__)

LISTED: Final = 100  # the newest; older ones move up as these are taken back


@dataclass(frozen=True, slots=True)
class Opinion:
    """One answer as it is shown; the address is "" where the item is gone, or the catalogue class fails on it."""

    item_id: Any
    title: str
    url: str
    is_wanted: bool


def opinions_of(visitor: Visitor) -> list[Opinion]:
    """What holds now, newest first, LISTED at most. Two statements."""
    said = list(Feedback.objects.filter(visitor=visitor.pk).order_by("-given_at", "-pk")[:LISTED])
    items = all_items().in_bulk([each.item_id for each in said]) if said else {}
    return [_shown(each, items.get(each.item_id)) for each in said]


def take_back(visitor: Visitor, item: str) -> bool:
    """Whether there was something to take back. It needs no list's token: only what this visitor said goes."""
    key = key_or_none(item)
    return key is not None and bool(Feedback.objects.filter(visitor=visitor.pk, item_id=key).delete()[0])


def _shown(said: Feedback, item: Any) -> Opinion:
    catalog, is_wanted = get_catalog(), said.value == Feedback.Value.MORE
    if item is None:
        return Opinion(said.item_id, _("A product that is no longer there"), "", is_wanted)
    try:
        return Opinion(said.item_id, catalog.item_title(item), catalog.item_url(item), is_wanted)
    except Error:
        raise
    except Exception:
        # The shop's own code, which may raise whatever it likes: its answer can be taken back all the same.
        if settings.DEBUG:
            raise
        logger.exception("Item %s is listed by its key: the catalogue class fails on it.", said.item_id)
        return Opinion(said.item_id, str(said.item_id), "", is_wanted)
