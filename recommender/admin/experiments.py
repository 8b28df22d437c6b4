"""Experiments: draft one, start it, let more visitors in, read it, stop it."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from recommender import audit
from recommender.admin.audit import history
from recommender.admin.read_only import DetailAdmin
from recommender.admin.verdicts import comparisons, preferences
from recommender.conf import conf
from recommender.exceptions import RecommenderError
from recommender.models import Arm, AuditEntry, Experiment
from recommender.uplift.lifecycle import arms_in_words, ramp, start, stop
from recommender.uplift.report import read, read_holdout

PERMISSION: Final = "recommender.run_experiment"
BADGES: Final = {"draft": "queued", "running": "running", "stopped": "published"}


class ArmInline(admin.TabularInline):  # type: ignore[type-arg]  # takes no arguments at run time
    model = Arm
    extra = 1
    min_num = 1
    fields = ("name", "strategy", "version", "weight", "is_control")


@admin.register(Experiment)
class ExperimentAdmin(DetailAdmin):
    """A draft is a form; what runs or ran is a page."""

    detail_template = "admin/recommender/experiment/detail.html"
    change_form_template = "admin/recommender/experiment/form.html"
    change_list_template = "admin/recommender/experiment/list.html"
    list_display = ("name", "state", "share", "started_at", "stopped_at")
    fields = ("name", "share", "min_days", "wanted_lift")
    inlines = (ArmInline,)
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request) and (obj is None or obj.status == Experiment.Status.DRAFT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_add_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/start/", view(require_POST(self.start)), name="recommender_experiment_start"),
            path("<int:pk>/stop/", view(require_POST(self.stop)), name="recommender_experiment_stop"),
            path("<int:pk>/ramp/", view(require_POST(self.ramp)), name="recommender_experiment_ramp"),
            path("holdout/", view(self.holdout), name="recommender_experiment_holdout"),
        ]
        return own + super().get_urls()

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"holdout_share": conf.HOLDOUT_VISITORS_SHARE, "title": _("Experiments")}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is not None and self.has_change_permission(request, obj):
            return admin.ModelAdmin.change_view(self, request, object_id, form_url, extra_context)
        return super().change_view(request, object_id, form_url, extra_context)

    def detail(self, request: HttpRequest, obj: Experiment) -> dict[str, Any]:
        reading = None if obj.status == Experiment.Status.DRAFT else read(obj)
        return {
            "experiment": obj,
            "reading": reading,
            "state": self.state(obj),
            "arms": list(obj.arms.select_related("version")),
            "comparisons": list(comparisons(reading, obj.wanted_lift)) if reading else [],
            "preferences": list(preferences(obj)),
            "percent": round(100 * obj.share, 1),
            "may_run": request.user.has_perm(PERMISSION),
            "window": conf.ATTRIBUTION_DAYS,
            "history": history(experiment=obj),
        }

    def holdout(self, request: HttpRequest) -> TemplateResponse:
        """What all lists together are worth: everybody beside the holdout visitors."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        reading = read_holdout(conf.HOLDOUT_VISITORS_SHARE, conf.IMPRESSIONS_KEPT_DAYS)
        context = {
            "reading": reading,
            "comparisons": list(comparisons(reading, 0.05)),
            "title": _("Holdout visitors"),
            "window": conf.ATTRIBUTION_DAYS,
        }
        return self.render(request, "admin/recommender/experiment/holdout.html", None, context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Who draws up a draft's arms, and who changes them, is audited in the transaction of the form."""
        before = arms_in_words(form.instance)
        super().save_related(request, form, formsets, change)
        if (after := arms_in_words(form.instance)) != before:
            audit.record(AuditEntry.Act.ARMS, request.user, experiment=form.instance, old=before, new=after)

    # --- acts

    def start(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, lambda found: start(found, request.user), _("Started."))

    def stop(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._act(request, pk, lambda found: stop(found, request.user), _("Stopped."))

    def ramp(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            percent = forms.FloatField(min_value=0, max_value=100).clean(request.POST.get("percent"))
        except forms.ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("admin:recommender_experiment_change", pk)
        share = percent / 100
        return self._act(request, pk, lambda found: ramp(found, share, request.user), _("More visitors take part."))

    def _act(self, request: HttpRequest, pk: int, act: Any, said: str) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied(_("You need the permission “Can start and stop an experiment”."))
        experiment = Experiment.objects.filter(pk=pk).first()
        if experiment is None:
            raise Http404(_("There is no such experiment."))
        try:
            self.log_change(request, act(experiment), said)
            messages.success(request, said)
        except RecommenderError as error:
            messages.error(request, str(error))
        return redirect("admin:recommender_experiment_change", pk)

    @admin.display(description=gettext_lazy("status"))
    def state(self, experiment: Experiment) -> str:
        kind, text = BADGES[experiment.status], experiment.get_status_display()
        return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>', kind, text)
