"""Who else may ask, and for what."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ApiKey(models.Model):
    """Lets another app ask about any visitor that it names, as far as its scopes go. Only a hash is stored."""

    class Scope(models.TextChoices):
        LISTS = "lists", _("read any visitor's lists")
        EVENTS = "events", _("record events of any visitor")
        EXPORT = "export", _("read all that is stored of a visitor")
        ERASE = "erase", _("erase a visitor")
        SEARCH = "search", _("search for items")
        METRICS = "metrics", _("read health and metrics")

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    key_sha256 = models.CharField(_("key hash"), max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope), default=list, verbose_name=_("may"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.name
