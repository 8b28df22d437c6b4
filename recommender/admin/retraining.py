"""The forms of training: what may be chosen for one run, and when runs come by themselves."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from recommender.admin.labels import AUGMENTED
from recommender.conf import conf
from recommender.models import ModelVersion, TrainingSchedule
from recommender.runs import LARGEST_SEED, Options

LARGEST_EFFORT: Final = 20.0


class RetrainForm(forms.Form):
    """All empty: a training as the settings say."""

    effort = forms.FloatField(
        label=_("Effort"),
        required=False,
        min_value=0.01,
        max_value=LARGEST_EFFORT,
        help_text=_("Scales the passes over the data; 0.5 takes about half as long. Empty: as set."),
    )
    is_cold = forms.BooleanField(
        label=_("From scratch"), required=False, help_text=_("Begin anew instead of going on from the live version.")
    )
    seed = forms.IntegerField(
        label=_("Random seed"),
        required=False,
        min_value=0,
        max_value=LARGEST_SEED,
        help_text=_("Another number gives another, equally good version; the same one the same version again."),
    )
    judge_like = forms.ModelChoiceField(
        label=_("Judge by the same days as"),
        required=False,
        queryset=ModelVersion.objects.filter(verdict__holdout__start__isnull=False).order_by("-pk"),
        empty_label=_("the newest days"),
        help_text=_("So that the two versions can be compared fairly. The days since then are learned all the same."),
    )

    augmentations = forms.MultipleChoiceField(
        label=_("Augmentation"),
        required=False,
        choices=[(name, words) for name, words in AUGMENTED.items()],
        initial=lambda: conf.AUGMENTATIONS,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Learn from slightly changed histories, too. It takes longer; whether it helps depends on the shop."
        ),
    )
    options_shown = forms.BooleanField(required=False, initial=True, widget=forms.HiddenInput)

    def options(self) -> Options:
        """Of a valid form."""
        chosen: dict[str, Any] = self.cleaned_data
        like = chosen["judge_like"]
        return Options(
            seed=chosen["seed"] or 0,
            is_cold=chosen["is_cold"],
            effort=chosen["effort"],
            augmentations=self._augmentations(),
            judged_from=datetime.fromisoformat(like.verdict["holdout"]["start"]) if like else None,
        )

    def _augmentations(self) -> list[str] | None:
        """None: as set. Nothing is ticked in the post of a button without options, either."""
        chosen: list[str] = self.cleaned_data["augmentations"]
        is_as_set = set(chosen) == set(conf.AUGMENTATIONS)
        return None if is_as_set or not self.cleaned_data["options_shown"] else chosen


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # takes no arguments at run time
    class Meta:
        model = TrainingSchedule
        fields = ("is_on", "every_hours", "hour")
