"""Who visits: browsers, accounts, logins, and whoever was erased."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Visitor(models.Model):
    """A browser, or the account that it logged in to; events belong to it, vectors are computed from them."""

    class Consent(models.IntegerChoices):
        NONE = 0, _("nothing is remembered")
        SESSION = 1, _("remembered for this visit")
        FULL = 2, _("remembered")

    key = models.UUIDField(_("key"), default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    # Of an account: what its owner chose, null for no choice yet. Of a browser: SESSION while it may only be known for
    # this visit, else null; a browser's own choice is in its cookie.
    consent = models.PositiveSmallIntegerField(_("consent"), choices=Consent, null=True, blank=True)
    # Events of this moment and before were erased; those that still arrive are refused.
    forgotten_until = models.DateTimeField(_("forgotten until"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        indexes = [
            models.Index(fields=["created_at"], condition=Q(consent=1), name="recommender_session_visitor"),
        ]

    def __str__(self) -> str:
        return str(self.user) if self.user_id else str(self.key)


class VisitorJoin(models.Model):
    """A browser's events went to the account that logged in; kept for UNDO_JOIN_DAYS, so that it can be undone."""

    visitor = models.ForeignKey(Visitor, models.CASCADE, related_name="joins", verbose_name=_("visitor"))
    key = models.UUIDField(_("key of the browser"), unique=True)
    event_ids = ArrayField(models.UUIDField(), verbose_name=_("events"))
    joined_at = models.DateTimeField(_("joined at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("login with a history")
        verbose_name_plural = _("logins with a history")

    def __str__(self) -> str:
        return f"{self.key} → {self.visitor}"


class Tombstone(models.Model):
    """Somebody was erased: keeps late events away. Holds a keyed hash of the id, never the id."""

    digest = models.CharField(_("keyed hash"), max_length=64, primary_key=True)
    erased_at = models.DateTimeField(_("erased at"))
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)  # null: as long as the account

    class Meta:
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")

    def __str__(self) -> str:
        return self.digest[:12]
