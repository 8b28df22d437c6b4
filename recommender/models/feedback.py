"""What visitors say of an item that was recommended to them."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from recommender.models.items import item_foreign_key
from recommender.models.visitors import Visitor


class Feedback(models.Model):
    """A visitor's last word on an item of a list; said again it is taken back, and the row is gone."""

    class Value(models.IntegerChoices):
        LESS = -1, _("not for me")
        MORE = 1, _("more like this")

    visitor = models.ForeignKey(Visitor, models.CASCADE, related_name="feedback", verbose_name=_("visitor"))
    item = item_foreign_key(db_index=False)
    value = models.SmallIntegerField(_("answer"), choices=Value)
    placement = models.CharField(_("placement"), max_length=32)
    version_id = models.BigIntegerField(_("version"), null=True)  # of the list; versions go, the answer stays
    given_at = models.DateTimeField(_("given at"), db_default=Now(), editable=False)
    # Of the browser that an account took the answer over from, so that "this was not me" gives it back.
    browser_key = models.UUIDField(_("key of the browser"), null=True, editable=False)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints = [models.UniqueConstraint(fields=["visitor", "item"], name="recommender_feedback_once")]
        indexes = [models.Index(fields=["given_at"], name="recommender_feedback_given")]

    def __str__(self) -> str:
        return f"{self.get_value_display()}: {self.item_id}"
