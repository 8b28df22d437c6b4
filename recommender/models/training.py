"""Trainings and what they make: versions with their artifacts and vectors."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from recommender.models.items import item_foreign_key
from recommender.models.visitors import Visitor


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
    effort = models.FloatField(_("effort"), null=True, blank=True)  # None: RECOMMENDER_TRAINING_EFFORT
    # Names in dataset/augmentations.py; None: RECOMMENDER_AUGMENTATIONS.
    augmentations = models.JSONField(_("augmentations"), null=True, blank=True)
    judged_from = models.DateTimeField(_("judged from"), null=True, blank=True)  # None: RECOMMENDER_HOLDOUT_DAYS
    events_until = models.DateTimeField(_("events until"), null=True, blank=True)  # None: until it starts
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
    is_pinned = models.BooleanField(_("pinned"), default=False, editable=False)  # never pruned
    dim = models.PositiveIntegerField(_("dimensions"))
    has_ann_index = models.BooleanField(_("HNSW index"), default=False, editable=False)
    item_count = models.PositiveIntegerField(_("items"))
    visitor_count = models.PositiveIntegerField(_("visitors"))
    events_until = models.DateTimeField(_("knows events until"), null=True, editable=False)  # None: older code
    parts = models.JSONField(_("parts"))  # [{"name", "start", "stop", "weight"}]
    ranker = models.JSONField(_("ranker"), default=dict)
    # {"passed": bool, "reasons": [str], "metrics": {ranker name: {"ndcg@10": x, ...}}}, and what the judge found in
    # detail, see evaluation/segments.py
    verdict = models.JSONField(_("verdict"))
    # `estimated_clicks.ClickEstimate`, from lists that others were shown; null until somebody or the beat asked.
    estimated_clicks = models.JSONField(_("estimated clicks"), null=True, editable=False)

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
