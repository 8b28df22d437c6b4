"""Who did what to trainings and versions, and when trainings come by themselves."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from recommender.models.experiments import Experiment
from recommender.models.training import ModelVersion, TrainingRun

DAY_HOURS = 24


class AuditEntry(models.Model):
    """One act on a training, a version, an experiment or the schedule, stored with the act itself. Never changed.

    Not Django's LogEntry: that one needs a user, and trainings, the schedule and the command line act as well.
    """

    class Act(models.TextChoices):
        REQUEST = "request", _("training requested")
        RETRY = "retry", _("training requested again")
        CANCEL = "cancel", _("training cancelled")
        PUBLISH = "publish", _("published")
        ROLL_BACK = "roll_back", _("rolled back")
        PIN = "pin", _("pinned")
        UNPIN = "unpin", _("unpinned")
        PRUNE = "prune", _("vectors removed")
        SCHEDULE = "schedule", _("schedule changed")
        ARMS = "arms", _("arms changed")
        START = "start", _("experiment started")
        RAMP = "ramp", _("more visitors let in")
        STOP = "stop", _("experiment stopped")

    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    # The name at that time; "": the plugin by itself. As old and new, in English where there are phrases.
    by = models.CharField(_("by"), max_length=150, blank=True)
    act = models.CharField(_("act"), max_length=16, choices=Act)
    run = models.ForeignKey(
        TrainingRun, models.SET_NULL, null=True, blank=True, related_name="audit", verbose_name=_("run")
    )
    version = models.ForeignKey(
        ModelVersion, models.SET_NULL, null=True, blank=True, related_name="audit", verbose_name=_("version")
    )
    experiment = models.ForeignKey(
        Experiment, models.SET_NULL, null=True, blank=True, related_name="audit", verbose_name=_("experiment")
    )
    old = models.CharField(_("before"), max_length=200, blank=True)
    new = models.CharField(_("after"), max_length=200, blank=True)
    # {"by" and so on: [[text, values], ...]}, to be translated for who reads it; null: by older code.
    phrases = models.JSONField(_("phrases"), null=True, editable=False)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.get_act_display()}"


class TrainingSchedule(models.Model):
    """When trainings come by themselves; one row. Without it RECOMMENDER_TRAINING_INTERVAL_HOURS decides."""

    is_on = models.BooleanField(_("train by itself"), default=True)
    every_hours = models.PositiveIntegerField(
        _("hours between two trainings"), default=DAY_HOURS, validators=[MinValueValidator(1), MaxValueValidator(8760)]
    )
    hour = models.PositiveSmallIntegerField(
        _("not before this hour of the day"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(DAY_HOURS - 1)],
        help_text=_("0 to 23, by the shop's clock; empty: at any time. Only with whole days between two trainings."),
    )

    class Meta:
        verbose_name = _("training schedule")
        verbose_name_plural = _("training schedule")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="recommender_one_schedule")]

    def __str__(self) -> str:
        text, values = self.phrase
        return gettext(text) % values

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    def clean(self) -> None:
        if self.hour is not None and self.every_hours % DAY_HOURS:
            raise ValidationError({"every_hours": _("With an hour of the day, write whole days: 24, 48, 168 …")})

    @property
    def phrase(self) -> tuple[str, dict[str, Any]]:
        """A text to translate, and what goes into it."""
        if not self.is_on:
            return gettext_noop("off"), {}
        if self.hour is None:
            return gettext_noop("every %(hours)s h"), {"hours": self.every_hours}
        return gettext_noop("every %(hours)s h, at %(hour)s:00"), {"hours": self.every_hours, "hour": self.hour}
