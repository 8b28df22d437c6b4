"""Items that were saved since the live version was trained."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from recommender.models.items import item_foreign_key
from recommender.models.training import ModelVersion


class ItemChange(models.Model):
    """An item was saved: versions whose training began before must take it in. A row an item, the last change."""

    item = item_foreign_key(db_index=False)
    changed_at = models.DateTimeField(_("changed at"), db_default=Now(), editable=False)
    # The version that has taken the change in; null for none yet.
    version = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("version"))

    class Meta:
        verbose_name = _("changed item")
        verbose_name_plural = _("changed items")
        constraints = [models.UniqueConstraint(fields=["item"], name="recommender_item_change")]

    def __str__(self) -> str:
        return str(self.item_id)
