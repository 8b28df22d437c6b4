"""What the database remembers of the files in which events wait while it is away."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class DrainedFile(models.Model):
    """How much of a spill file is stored, written with the events: a crash before its deletion books nothing twice."""

    name = models.TextField(_("name"), primary_key=True)
    batches = models.PositiveBigIntegerField(_("stored batches"))
    drained_at = models.DateTimeField(_("drained at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("drained file")
        verbose_name_plural = _("drained files")

    def __str__(self) -> str:
        return self.name
