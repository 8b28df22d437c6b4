"""Signs of life of what runs beside the web."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """When something that should run again and again last did."""

    BEAT = "beat"  # the schedule reaches a worker: `recommender.sweep` ran

    name = models.CharField(_("name"), max_length=32, primary_key=True)
    at = models.DateTimeField(_("last seen"), db_default=Now())

    class Meta:
        verbose_name = _("sign of life")
        verbose_name_plural = _("signs of life")

    def __str__(self) -> str:
        return self.name
