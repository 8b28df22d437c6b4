"""The plugin's tables. The item model is the shop's own (RECOMMENDER_ITEM_MODEL); nothing of it is copied here."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField
from uuid_utils.compat import uuid7

from recommender.capture.tables import CART, CLICK, PURCHASE, VIEW
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
    # The verified claims of the impression token: {"list", "placement", "version", "rung", "slot"}; null without one.
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
    payload = models.TextField(_("payload"))  # JSON, cut at QUARANTINE_PAYLOAD_BYTES
    is_cut = models.BooleanField(_("cut"), default=False)
    clock_skew_seconds = models.IntegerField(_("clock skew in seconds"), null=True, blank=True)

    class Meta:
        verbose_name = _("event in quarantine")
        verbose_name_plural = _("quarantine")
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
    items = ArrayField(models.TextField(), verbose_name=_("items"))  # keys as text, in the order of the slots
    slots = ArrayField(models.SmallIntegerField(), verbose_name=_("seen slots"))  # 1-based, ascending
    doubt = models.SmallIntegerField(_("doubt"), choices=Event.Doubt, default=Event.Doubt.NONE)
    seen_at = models.DateTimeField(_("first seen at"), db_default=Now())

    class Meta:
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")
        indexes = [models.Index(fields=["visitor"], name="recommender_impression_visitor")]

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


class TrainingRun(models.Model):
    """One training, the truth about it: lease, heartbeat, progress, outcome. The broker only carries its id."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        PUBLISHED = "published", _("published")
        REFUSED = "refused", _("refused by the gate")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    class Trigger(models.TextChoices):
        ADMIN = "admin", _("admin")
        SCHEDULE = "schedule", _("schedule")
        COMMAND = "command", _("command line")

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.QUEUED)
    trigger = models.CharField(_("trigger"), max_length=16, choices=Trigger)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("started by")
    )
    seed = models.PositiveIntegerField(_("seed"), default=0)
    is_cold = models.BooleanField(_("from scratch"), default=False)  # asked to begin anew, not from the live version
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    # Lease: only the holder of the token may write; it is renewed by the heartbeat and lapses without it.
    lease_token = models.UUIDField(_("lease token"), null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("handed to the broker at"), null=True, blank=True)  # null: not delivered yet
    worker = models.CharField(_("worker"), max_length=100, blank=True)  # "host, process 123" of the last attempt
    # Progress, written while it runs.
    stage = models.CharField(_("stage"), max_length=32, blank=True)
    stage_index = models.PositiveSmallIntegerField(_("stage number"), default=0)  # 1-based; 0 before the first
    stage_count = models.PositiveSmallIntegerField(_("stages"), default=0)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    epochs = models.PositiveIntegerField(_("epochs"), default=0)
    loss = models.FloatField(_("loss"), null=True, blank=True)
    progress = models.FloatField(_("progress"), default=0.0)  # 0..1 of the whole run
    eta_seconds = models.FloatField(_("seconds left"), null=True, blank=True)
    device = models.CharField(_("device"), max_length=32, blank=True)
    losses = models.JSONField(_("losses"), default=list, blank=True)  # [{"stage", "epoch", "loss"}]
    counts = models.JSONField(_("counts"), default=dict, blank=True)  # {"events", "visitors", "items", ...}
    error = models.TextField(_("error"), blank=True)  # what happened and what to do, for people
    log = models.TextField(_("log"), blank=True)  # traceback or output, for developers

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        permissions = [("retrain", _("Can start and cancel a training run"))]
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(status__in=("queued", "running")), name="recommender_one_active_run"
            )
        ]

    def __str__(self) -> str:
        return _("Run %(id)s") % {"id": self.pk}

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE


class ModelVersion(models.Model):
    """The vectors and artifacts of one training run. At most one is live: the one served."""

    run = models.OneToOneField(TrainingRun, models.PROTECT, related_name="version", verbose_name=_("run"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    is_live = models.BooleanField(_("live"), default=False, editable=False)
    published_at = models.DateTimeField(_("published at"), null=True, blank=True, editable=False)
    has_vectors = models.BooleanField(_("has vectors"), default=True, editable=False)  # False once pruned
    dim = models.PositiveIntegerField(_("dimensions"))
    has_ann_index = models.BooleanField(_("HNSW index"), default=False, editable=False)
    item_count = models.PositiveIntegerField(_("items"))
    visitor_count = models.PositiveIntegerField(_("visitors"))
    parts = models.JSONField(_("parts"))  # [{"name", "start", "stop", "weight"}]
    ranker = models.JSONField(_("ranker"), default=dict)
    # {"passed": bool, "reasons": [str], "metrics": {ranker name: {"ndcg@10": x, ...}}}
    verdict = models.JSONField(_("verdict"))

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        permissions = [("publish", _("Can publish a version or roll back"))]
        constraints = [
            models.UniqueConstraint(fields=["is_live"], condition=Q(is_live=True), name="recommender_one_live_version")
        ]

    def __str__(self) -> str:
        return _("Version %(id)s") % {"id": self.pk}


class ModelArtifact(models.Model):
    """A file of a version, in the database so that every web process finds it; never a pickle."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="artifacts", verbose_name=_("version"))
    name = models.CharField(_("name"), max_length=64)
    sha256 = models.CharField(_("sha256"), max_length=64)
    content = models.BinaryField(_("content"))

    class Meta:
        verbose_name = _("model artifact")
        verbose_name_plural = _("model artifacts")
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="recommender_artifact_name")]

    def __str__(self) -> str:
        return self.name


class ItemEmbedding(models.Model):
    """One item's vector in one version. Partitioned by version: written, indexed and dropped as a whole."""

    pk = models.CompositePrimaryKey("version_id", "item_id")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+", db_index=False)
    item = item_foreign_key(db_index=False)
    vector = HalfVectorField()  # width is the version's `dim`; cosine distance
    popularity = models.FloatField()
    is_cold = models.BooleanField()
    # None and 0 only in versions that older code trained: their lists go without.
    row = models.PositiveIntegerField(default=0)  # the item's number in the version, from 1
    statistics = models.BinaryField(null=True)  # little-endian float32, dataset/item_statistics.py
    links = models.BinaryField(null=True)  # dataset/link_packing.py

    class Meta:
        verbose_name = _("item embedding")
        verbose_name_plural = _("item embeddings")
        indexes = [
            models.Index(fields=["version", "-popularity"], name="recommender_popularity"),
            models.Index(fields=["version", "row"], name="recommender_item_row"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} in {self.version_id}"


class VisitorEmbedding(models.Model):
    """One visitor's vector in one version: a cache for e-mail and audiences; pages compute theirs from the events."""

    pk = models.CompositePrimaryKey("version_id", "visitor_id")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+", db_index=False)
    visitor = models.ForeignKey(Visitor, models.CASCADE, related_name="+", db_index=False)
    vector = HalfVectorField()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["visitor"], name="recommender_visitor_vector")]
        verbose_name = _("visitor embedding")
        verbose_name_plural = _("visitor embeddings")

    def __str__(self) -> str:
        return f"{self.visitor_id} in {self.version_id}"


class ItemPair(models.Model):
    """`other` is often bought with `item`; only pairs with at least MIN_BUYERS different visitors are kept."""

    pk = models.CompositePrimaryKey("version_id", "item_id", "other_id")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="+", db_index=False)
    item = item_foreign_key(db_index=False)
    other = item_foreign_key(db_index=False)
    score = models.FloatField()
    support = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("item pair")
        verbose_name_plural = _("item pairs")

    def __str__(self) -> str:
        return f"{self.item_id} with {self.other_id}"


class ApiKey(models.Model):
    """Lets another app ask for the lists of any visitor that it names. Only a hash is stored."""

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    key_sha256 = models.CharField(_("key hash"), max_length=64, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return self.name
