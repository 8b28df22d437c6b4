"""What merchandisers want of the lists."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommender.models.items import item_foreign_key
from recommender.models.placements import NAME_LENGTH, SHARE, SavedFilter

LAST_SLOT: Final = 100


class Rule(models.Model):
    """One wish: for an item or a filter, in some placements or all, from a time and until another."""

    class Action(models.TextChoices):
        PIN = "pin", _("pin to a place")
        BOOST = "boost", _("lift: at least a share of the places")
        BURY = "bury", _("hold back: at most a share of the places")
        EXCLUDE = "exclude", _("never show")

    name = models.CharField(_("name"), max_length=100)
    action = models.CharField(pgettext_lazy("of a rule", "what"), max_length=8, choices=Action)
    item = item_foreign_key(null=True, blank=True, db_index=False)
    within = models.ForeignKey(
        SavedFilter, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("items of the filter")
    )
    placements = ArrayField(  # empty: all
        models.CharField(max_length=NAME_LENGTH), verbose_name=_("in the lists"), default=list, blank=True
    )
    slot = models.PositiveSmallIntegerField(
        _("place"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(LAST_SLOT)]
    )
    share = models.FloatField(_("share of the places"), null=True, blank=True, validators=SHARE)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["pk"]  # where two want the same place, the older one has it
        constraints = [
            models.CheckConstraint(
                condition=Q(item=None, within__isnull=False) | Q(item__isnull=False, within=None),
                name="recommender_rule_of_one_kind",
                violation_error_message=_("Choose an item or a filter, one of the two."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.action == self.Action.PIN and self.slot is None:
            raise ValidationError({"slot": _("To pin, a place is needed.")})
        if self.action == self.Action.BOOST and not self.share:
            raise ValidationError({"share": _("To lift, a share of the places is needed: 0.25 is every fourth.")})
        if self.starts_at and self.ends_at and self.starts_at >= self.ends_at:
            raise ValidationError({"ends_at": _("It ends before it starts.")})
