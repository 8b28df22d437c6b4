"""The link to the shop's item, which is never copied here."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext_lazy as _

from recommender.conf import conf


def item_foreign_key(**options: Any) -> "models.ForeignKey[Any, Any]":
    """A link to the shop's item without a database constraint: the shop can always delete its own rows.

    Raises:
        ImproperlyConfigured: RECOMMENDER_ITEM_MODEL is not set; the system checks come too late to say so.
    """
    if not conf.ITEM_MODEL:
        raise ImproperlyConfigured(
            'Set RECOMMENDER_ITEM_MODEL = "app.Model" to the model of your products, for example "shop.Product".'
        )
    return models.ForeignKey(
        conf.ITEM_MODEL, models.DO_NOTHING, db_constraint=False, related_name="+", verbose_name=_("item"), **options
    )
