"""What visitors did and saw, and the books about it."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW
from recommender.models.items import item_foreign_key
from recommender.models.visitors import Visitor


class Event(models.Model):
    """One recorded act. The id is a UUIDv7 made by whoever saw the act: sent twice, it is stored once.

    The table is partitioned by the month in the id, see `capture.partitions`.
    """

    class Kind(models.IntegerChoices):
        VIEW = VIEW, _("view")
        CLICK = CLICK, _("click")
        CART = CART, _("cart")
        PURCHASE = PURCHASE, _("purchase")

    class Source(models.IntegerChoices):
        BEACON = 1, _("browser")
        SHOP = 2, _("shop")
        BULK = 3, _("bulk import")

    class Doubt(models.IntegerChoices):
        """Why an event moves nobody else's lists and no statistics. It is kept, and still in its visitor's history."""

        NONE = 0, _("none")
        CRAWLER = 1, _("crawler")
        PREFETCH = 2, _("page loaded ahead")
        WEBDRIVER = 3, _("automated browser")
        RATE = 4, _("faster than a person")
        NO_TOKEN = 5, _("click without a valid token")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    visitor = models.ForeignKey(
        Visitor, models.CASCADE, related_name="events", db_index=False, verbose_name=_("visitor")
    )
    item = item_foreign_key(db_index=False)
    kind = models.SmallIntegerField(_("kind"), choices=Kind)
    at = models.DateTimeField(_("at"))
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    value_cents = models.BigIntegerField(_("value in cents"), null=True, blank=True)
    source = models.SmallIntegerField(_("source"), choices=Source)
    # Verified claims of the token: {"list", "placement", "version", "rung", "arm", "pick", "rule", "slot"}; else null.
    impression = models.JSONField(_("impression"), null=True, blank=True)
    received_at = models.DateTimeField(_("received at"), db_default=Now(), editable=False)
    # Our clock minus the sender's when it sent: already added to `at`; null where the sender did not say.
    clock_skew_seconds = models.IntegerField(_("clock skew in seconds"), null=True, blank=True)
    doubt = models.SmallIntegerField(_("doubt"), choices=Doubt, default=Doubt.NONE, db_default=Doubt.NONE.value)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["visitor", "-at"], name="recommender_event_history"),
            models.Index(fields=["-at"], name="recommender_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.item_id}"


class LedgerEntry(models.Model):
    """What became of a batch's rows, written in its transaction: received = stored + duplicate + quarantined + refused.

    Appended, never updated, so that no two requests wait for a row; `ledger.compact` adds the entries of a day up.
    """

    day = models.DateField(_("day"))  # UTC, when the rows were received
    source = models.SmallIntegerField(_("source"), choices=Event.Source)
    received = models.BigIntegerField(_("received"))  # counted at the door, apart from the outcomes
    stored = models.BigIntegerField(_("stored"))
    duplicate = models.BigIntegerField(_("duplicate"))
    quarantined = models.BigIntegerField(_("in quarantine"))
    refused = models.BigIntegerField(_("refused"))

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        indexes = [models.Index(fields=["day", "source"], name="recommender_ledger_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.get_source_display()}"


class QuarantinedEvent(models.Model):
    """A row that could not be stored as it came, kept with its reason until somebody mends the cause or lets it go."""

    received_at = models.DateTimeField(_("received at"), db_default=Now(), editable=False)
    source = models.SmallIntegerField(_("source"), choices=Event.Source)
    # Null: the sender had no valid row, so there is no visitor, and nobody to give the event to later.
    visitor = models.ForeignKey(
        Visitor, models.CASCADE, related_name="+", null=True, blank=True, verbose_name=_("visitor")
    )
    code = models.CharField(_("reason"), max_length=32)
    payload = models.TextField(_("payload"))  # JSON, cut at `capture.statement.PAYLOAD_CHARACTERS`
    is_cut = models.BooleanField(_("cut"), default=False)
    clock_skew_seconds = models.IntegerField(_("clock skew in seconds"), null=True, blank=True)
    doubt = models.SmallIntegerField(
        _("doubt"), choices=Event.Doubt, default=Event.Doubt.NONE, db_default=Event.Doubt.NONE.value
    )

    class Meta:
        verbose_name = _("event in quarantine")
        verbose_name_plural = _("events in quarantine")
        indexes = [models.Index(fields=["received_at"], name="recommender_quarantine_at")]

    def __str__(self) -> str:
        return f"{self.code} {self.pk}"


class Impression(models.Model):
    """The slots of one list that one visitor really saw: a row a list, to which later slots are added.

    Not events: impressions never train, and a row a slot would outnumber all events together.
    """

    pk = models.CompositePrimaryKey("list_id", "visitor_id")
    # UUIDv7 of the rendering, so rows lie in the order of time. A page from a cache shows one list to many visitors.
    list_id = models.UUIDField(_("list"))
    visitor = models.ForeignKey(Visitor, models.CASCADE, related_name="+", db_index=False, verbose_name=_("visitor"))
    placement = models.CharField(_("placement"), max_length=32)
    version_id = models.BigIntegerField(_("version"), null=True)
    rung = models.CharField(_("rung"), max_length=16)
    arm_id = models.BigIntegerField(_("arm"), null=True)  # of an experiment, or HOLDOUT_ARM; null outside of both
    items = ArrayField(models.TextField(), verbose_name=_("items"))  # keys as text, in the order of the slots
    # Of each slot, see `serving.query.Entry`; null in rows of older code, which showed every item with certainty.
    propensities = ArrayField(models.FloatField(), verbose_name=_("propensities"), null=True)
    rules = ArrayField(models.BigIntegerField(), verbose_name=_("rules"), null=True)  # of each slot, 0 for none
    slots = ArrayField(models.SmallIntegerField(), verbose_name=_("seen slots"))  # 1-based, ascending
    doubt = models.SmallIntegerField(_("doubt"), choices=Event.Doubt, default=Event.Doubt.NONE)
    seen_at = models.DateTimeField(_("first seen at"), db_default=Now())

    class Meta:
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")
        indexes = [
            models.Index(fields=["visitor"], name="recommender_impression_visitor"),
            models.Index(fields=["arm_id"], condition=Q(arm_id__isnull=False), name="recommender_impression_arm"),
            GinIndex(fields=["rules"], condition=Q(rules__isnull=False), name="recommender_impression_rules"),
        ]

    def __str__(self) -> str:
        return f"{self.placement} {self.list_id}"


class RateBucket(models.Model):
    """How much a visitor or an address has sent lately, see `capture.rate_limit`. Lives for minutes, unlogged."""

    key = models.UUIDField(primary_key=True)  # keyed hash: no address is stored
    empty_at = models.DateTimeField()

    class Meta:
        verbose_name = _("rate bucket")
        verbose_name_plural = _("rate buckets")

    def __str__(self) -> str:
        return str(self.key)
