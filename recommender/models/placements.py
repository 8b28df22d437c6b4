"""Lists as rows: what stands where, and the small filters that lists and rules share."""

from typing import Any, Final

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import FieldError, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from recommender.catalog import get_catalog
from recommender.exceptions import FilterBroken

NAME_LENGTH: Final = 32
SHARE: Final = (MinValueValidator(0.0), MaxValueValidator(1.0))


class Source(models.TextChoices):
    """Where the candidates of a list come from, see `serving.sources`."""

    PERSONAL = "personal", _("ranked for this visitor")
    SIMILAR = "similar", _("similar to the items")
    TOGETHER = "together", _("bought together with the items")
    AFTER_PURCHASE = "after_purchase", _("bought together with the visitor's last order")
    REBUY = "rebuy", _("what the visitor buys again, when it is due")
    VIEWED = "viewed", _("what the visitor looked at")
    NEW = "new", _("new items, ranked for this visitor")
    NEWEST = "newest", _("the newest items, the same for everybody")
    TRENDING = "trending", _("what more visitors take than usual")
    SEGMENT = "segment", _("what is popular among the kind of items that the visitor takes most")
    POPULAR = "popular", _("what is popular")


class SavedFilter(models.Model):
    """A named part of the catalogue, in the catalogue's own attributes and prices."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # {lookup of Catalog.attributes: [accepted values]}; all attributes must agree.
    values = models.JSONField(_("attributes"), default=dict, blank=True)
    min_price_cents = models.PositiveIntegerField(_("price from, in cents"), null=True, blank=True)
    max_price_cents = models.PositiveIntegerField(_("price up to, in cents"), null=True, blank=True)

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def narrow(self, items: "QuerySet[Any]") -> "QuerySet[Any]":
        """Only the items that match; an item comes more than once where an attribute leads to many rows.

        Raises:
            FilterBroken: the catalogue has changed, and an attribute or its values fit no more.
        """
        conditions: dict[str, Any] = {f"{lookup}__in": values for lookup, values in self.values.items() if values}
        if price := get_catalog().price_cents:
            bounds = {f"{price}__gte": self.min_price_cents, f"{price}__lte": self.max_price_cents}
            conditions |= {name: bound for name, bound in bounds.items() if bound is not None}
        try:
            return items.filter(**conditions)
        except (FieldError, ValueError, ValidationError) as error:
            raise FilterBroken(f"{FilterBroken.__doc__} ({self.name}: {error})") from error


class Placement(models.Model):
    """A list by its name: what it is made of. `serving.placements` has the defaults, unsaved; a row replaces one."""

    name = models.SlugField(_("name"), max_length=NAME_LENGTH, unique=True)
    title = models.CharField(_("title"), max_length=100, blank=True)  # "": the default one, translated
    # In order: the second fills the slots that the first leaves empty.
    sources: "models.Field[Any, list[str]]" = ArrayField(
        models.CharField(max_length=20, choices=Source), verbose_name=_("sources"), size=3
    )
    # Tried one after the other where the sources have nothing at all.
    fallbacks: "models.Field[Any, list[str]]" = ArrayField(
        models.CharField(max_length=20, choices=Source),
        verbose_name=_("else, where these have nothing"),
        size=2,
        default=list,
        blank=True,
    )
    length = models.PositiveSmallIntegerField(  # null: LIST_LENGTH
        _("length"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    importance = models.SmallIntegerField(_("importance"), default=0)  # on a page the higher one chooses first
    within = models.ForeignKey(
        SavedFilter, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("only items of")
    )
    exclude_bought_days = models.FloatField(
        _("leave out what was bought within days"), default=0.0, validators=[MinValueValidator(0.0)]
    )
    excludes_basket = models.BooleanField(_("leave out what is in the basket"), default=True)
    diversity = models.FloatField(_("diversity"), default=0.0, validators=SHARE)  # 0: by score alone
    exploration_share = models.FloatField(_("exploration"), null=True, blank=True, validators=SHARE)
    repeat_share = models.FloatField(_("repeats"), null=True, blank=True, validators=SHARE)  # null: REPEAT_SHARE

    class Meta:
        verbose_name = _("placement")
        verbose_name_plural = _("placements")
        ordering = ["-importance", "name"]

    def __str__(self) -> str:
        return self.name
