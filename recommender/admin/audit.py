"""The audit: who did what to trainings, versions, experiments and the schedule. Read-only."""

from typing import Any, Final

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.admin.read_only import ReadOnlyAdmin
from recommender.audit import COMMAND_LINE, SCHEDULE, in_words
from recommender.models import AuditEntry, Experiment, ModelVersion, TrainingRun

SHOWN: Final = 20  # on the page of a run, a version or an experiment


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    intro = gettext_lazy("Who did what to trainings, versions, experiments and the schedule. Nobody can edit it here.")
    list_display = ("at", "who", "act", "what", "change")
    list_filter = ("act", "at")
    list_select_related = ("run", "version", "experiment")
    search_fields = ("by",)
    ordering = ("-pk",)
    list_display_links = None

    @admin.display(description=gettext_lazy("who"))
    def who(self, entry: AuditEntry) -> str:
        return who(entry)

    @admin.display(description=gettext_lazy("what"))
    def what(self, entry: AuditEntry) -> str:
        if entry.experiment_id:
            return _link("experiment", entry.experiment)
        if entry.version_id:
            return _link("modelversion", entry.version)
        if entry.run_id:
            return _link("trainingrun", entry.run)
        return _("the schedule") if entry.act == AuditEntry.Act.SCHEDULE else "–"

    @admin.display(description=gettext_lazy("change"))
    def change(self, entry: AuditEntry) -> str:
        return change(entry)


def history(
    *, run: TrainingRun | None = None, version: ModelVersion | None = None, experiment: Experiment | None = None
) -> list[dict[str, Any]]:
    """The newest acts on one of these, ready to print."""
    of = {"run": run} if run else {"version": version} if version else {"experiment": experiment}
    return [
        {"at": entry.at, "who": who(entry), "act": entry.get_act_display(), "change": change(entry)}
        for entry in AuditEntry.objects.filter(**of).order_by("-pk")[:SHOWN]
    ]


def who(entry: AuditEntry) -> str:
    """A user's name, or in the reader's language who else it was."""
    said = _said(entry, "by")
    return _(said) if said in (COMMAND_LINE, SCHEDULE) else said or _("by itself")


def change(entry: AuditEntry) -> str:
    """`before → after`, or what of the two there is."""
    return " → ".join(each for each in (_said(entry, "old"), _said(entry, "new")) if each)


def _said(entry: AuditEntry, name: str) -> str:
    """In the reader's language; as it is stored where that is names and numbers only, or older code did it."""
    phrases = (entry.phrases or {}).get(name)
    return in_words(phrases, _) if phrases else getattr(entry, name)


def _link(model: str, obj: Any) -> str:
    return format_html('<a href="{}">{}</a>', reverse(f"admin:recommender_{model}_change", args=[obj.pk]), obj)
