"""Experiments: which visitors are served by what, so that the difference can be measured."""

import secrets
from typing import Final

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from recommender.models.training import ModelVersion

HOLDOUT_ARM: Final = 0  # stands for the arm of the permanent holdout visitors, who are in no experiment


def new_salt() -> str:
    return secrets.token_hex(8)


class Experiment(models.Model):
    """Visitors are assigned by a hash of salt and key, so nothing is stored a visitor. One runs at a time."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")

    name = models.CharField(_("name"), max_length=100)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.DRAFT, editable=False)
    salt = models.CharField(max_length=32, default=new_salt, editable=False)
    share = models.FloatField(
        _("share of the visitors"),
        default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("From 0 to 1. It may grow while the experiment runs: nobody changes arms by it."),
    )
    min_days = models.PositiveSmallIntegerField(
        _("days at least"), default=14, help_text=_("Whole weeks: people shop differently at the weekend.")
    )
    wanted_lift = models.FloatField(
        _("lift worth knowing"),
        default=0.05,
        validators=[MinValueValidator(0.001)],
        help_text=_("0.05 is five per cent: how long it takes depends on it."),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True, editable=False)
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    result = models.JSONField(_("result"), null=True, editable=False)  # `uplift.report.Reading`, from its stop on

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        permissions = [("run_experiment", _("Can start and stop an experiment"))]
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="running"), name="recommender_one_running_experiment"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """What a part of the visitors gets as "recommended for you"; a version serves all other lists, too."""

    class Strategy(models.TextChoices):
        LIVE = "live", _("the live version")
        VERSION = "version", _("a certain version")
        POPULAR = "popular", _("popular items")
        ITEM_KNN = "item_knn", _("what was bought with it (item-kNN)")
        CONTENT = "content", _("similar words and attributes")
        HABITS = "habits", _("the visitor's own purchases")
        INTERLEAVED = "interleaved", _("the live and a certain version, slot by slot")

    experiment = models.ForeignKey(Experiment, models.CASCADE, related_name="arms", verbose_name=_("experiment"))
    name = models.CharField(_("name"), max_length=50)
    strategy = models.CharField(_("what it shows"), max_length=16, choices=Strategy)
    version = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("version")
    )
    weight = models.PositiveSmallIntegerField(_("weight"), default=1)
    is_control = models.BooleanField(_("compared with"), default=False)

    class Meta:
        verbose_name = _("arm")
        verbose_name_plural = _("arms")
        ordering = ["pk"]  # the order in which weights are counted: it must not change while an experiment runs
        constraints = [
            models.UniqueConstraint(
                fields=["experiment"], condition=Q(is_control=True), name="recommender_one_control_arm"
            ),
            models.CheckConstraint(
                condition=Q(strategy__in=("version", "interleaved"), version__isnull=False)
                | ~Q(strategy__in=("version", "interleaved")) & Q(version=None),
                name="recommender_arm_version",
                violation_error_message=_("Name a version exactly where the arm shows a certain version."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
