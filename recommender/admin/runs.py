"""Training runs: start one, watch it, cancel it, and read how it ended."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from recommender import runs, schedule
from recommender.admin.audit import history
from recommender.admin.judged import asked_too_few
from recommender.admin.labels import COLD, COUNTS, LEFT_OUT, augmented, duration, label
from recommender.admin.live import elapsed_seconds, live_context
from recommender.admin.metrics import metric_charts
from recommender.admin.read_only import DetailAdmin
from recommender.admin.retraining import RetrainForm, ScheduleForm
from recommender.exceptions import RunAlreadyActive
from recommender.models import ModelVersion, TrainingRun
from recommender.training_failures import after_refusal

PERMISSION = "recommender.retrain"


@admin.register(TrainingRun)
class TrainingRunAdmin(DetailAdmin):
    detail_template = "admin/recommender/trainingrun/detail.html"
    change_list_template = "admin/recommender/trainingrun/list.html"
    list_display = ("name", "state", "result", "created_at", "took", "requested_by")
    list_select_related = ("started_by", "version")
    ordering = ("-pk",)
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or may_retrain(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("retrain/", view(require_POST(self.retrain)), name="recommender_trainingrun_retrain"),
            path("schedule/", view(self.schedule), name="recommender_trainingrun_schedule"),
            path("<int:run_id>/cancel/", view(require_POST(self.cancel)), name="recommender_trainingrun_cancel"),
            path("<int:run_id>/retry/", view(require_POST(self.retry)), name="recommender_trainingrun_retry"),
            path("<int:run_id>/progress/", view(never_cache(self.progress)), name="recommender_trainingrun_progress"),
        ]
        return own + super().get_urls()

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if self.has_view_permission(request):
            runs.sweep()  # a page that lists runs must not show one that died as running
        active = TrainingRun.objects.filter(status__in=TrainingRun.ACTIVE).first()
        plan = schedule.schedule()
        context = {
            "active": active,
            "may_retrain": may_retrain(request),
            "title": _("Training runs"),
            "form": RetrainForm(),
            "plan": plan,
            "due": schedule.next_due(plan, timezone.now()),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def detail(self, request: HttpRequest, obj: TrainingRun) -> dict[str, Any]:
        if obj.is_active:
            runs.sweep()
            obj.refresh_from_db()
        version = ModelVersion.objects.filter(run=obj).first()
        return {
            **live_context(obj),
            "version": version,
            "advice": after_refusal(version.pk) if version and version.has_vectors and not version.is_live else "",
            "metrics": metric_charts(version.verdict) if version else [],
            "asked_too_few": asked_too_few(version.verdict) if version else None,
            "counts": [
                (label(COUNTS, name), _worded(value)) for name, value in obj.counts.items() if name != "left_out"
            ],
            "left_out": [(label(LEFT_OUT, why), events) for why, events in obj.counts.get("left_out", {}).items()],
            "may_retrain": may_retrain(request),
            "is_active": obj.is_active,
            "history": history(run=obj),
        }

    def progress(self, request: HttpRequest, run_id: int) -> JsonResponse:
        """`{"is_active", "panel", "cell"}`: the live part of the run's page and of its row in the list, as HTML."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs.settle_lapsed()
        run = self._run(run_id)
        context = live_context(run)
        parts = {part: render_to_string(f"admin/recommender/trainingrun/{part}.html", context) for part in LIVE_PARTS}
        return JsonResponse({"is_active": run.is_active, **parts})

    def schedule(self, request: HttpRequest) -> HttpResponse:
        """When trainings come by themselves: shown to whoever may see runs, changed by whoever may start them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        plan = schedule.schedule()
        form = ScheduleForm(request.POST or None, instance=plan)
        if request.method == "POST":
            _require(request)
            if form.is_valid():
                schedule.set_schedule(form.instance, request.user)
                messages.success(request, _("Trainings by themselves: %(plan)s.") % {"plan": form.instance})
                return redirect("admin:recommender_trainingrun_schedule")
        due = schedule.next_due(schedule.schedule(), timezone.now())
        context = {"form": form, "plan": plan, "due": due, "may_retrain": may_retrain(request)}
        title = {"title": _("When trainings come by themselves")}
        return self.render(request, "admin/recommender/trainingrun/schedule.html", None, context | title)

    # --- buttons

    def retrain(self, request: HttpRequest) -> HttpResponse:
        _require(request)
        form = RetrainForm(request.POST)
        if not form.is_valid():
            for name, errors in form.errors.items():
                messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
            return redirect("admin:recommender_trainingrun_changelist")
        return self._request(request, lambda: runs.request_run(TrainingRun.Trigger.ADMIN, request.user, form.options()))

    def retry(self, request: HttpRequest, run_id: int) -> HttpResponse:
        run = self._run(run_id)
        return self._request(request, lambda: runs.retry(run, request.user))

    def cancel(self, request: HttpRequest, run_id: int) -> HttpResponse:
        _require(request)
        run = self._run(run_id)
        if runs.cancel(run, request.user):
            self.log_change(request, run, _("Cancelled."))
            messages.success(request, _("%(run)s is cancelled. The live version keeps serving.") % {"run": run})
        else:
            messages.warning(request, _("%(run)s has ended already.") % {"run": run})
        return redirect(run_url(run))

    def _request(self, request: HttpRequest, make: Any) -> HttpResponseRedirect:
        _require(request)
        runs.settle_lapsed()  # a run whose worker was killed must not stand in the way
        try:
            run = make()
        except RunAlreadyActive:
            active = TrainingRun.objects.filter(status__in=TrainingRun.ACTIVE).first()
            messages.warning(
                request,
                _("A training is already queued or running, and there is one at a time: wait for it, or cancel it."),
            )
            return redirect(run_url(active) if active else reverse("admin:recommender_trainingrun_changelist"))
        self.log_addition(request, run, _("Requested in admin."))
        messages.success(
            request, _("%(run)s is requested. It starts as soon as a training worker is free.") % {"run": run}
        )
        return redirect(run_url(run))

    def _run(self, run_id: int) -> TrainingRun:
        run = TrainingRun.objects.select_related("started_by").filter(pk=run_id).first()
        if run is None:
            raise Http404(_("There is no such training run."))
        return run

    # --- columns

    @admin.display(description=gettext_lazy("run"), ordering="pk")
    def name(self, run: TrainingRun) -> str:
        return str(run)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, run: TrainingRun) -> str:
        return format_html(
            '<span class="recommender-badge recommender-badge--{}">{}</span>', run.status, run.get_status_display()
        )

    @admin.display(description=gettext_lazy("result"))
    def result(self, run: TrainingRun) -> str:
        """The progress of a run at work; the version that an ended one made."""
        if not run.is_active:
            return version_link(run)
        return format_html(
            '<div class="recommender-live" data-recommender-progress="{}" data-recommender-part="cell">{}</div>',
            reverse("admin:recommender_trainingrun_progress", args=[run.pk]),
            render_to_string("admin/recommender/trainingrun/cell.html", live_context(run)),
        )

    @admin.display(description=gettext_lazy("took"))
    def took(self, run: TrainingRun) -> str:
        return format_html('<span class="recommender-took">{}</span>', duration(elapsed_seconds(run)))

    @admin.display(description=gettext_lazy("requested by"))
    def requested_by(self, run: TrainingRun) -> str:
        return str(run.started_by or run.get_trigger_display())


LIVE_PARTS = ("panel", "cell")


def _worded(value: Any) -> Any:
    """A number as it is; a reason, or a list of augmentations, in plain words."""
    if isinstance(value, list):
        return augmented(value)
    return label(COLD, value) if isinstance(value, str) else value


def may_retrain(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PERMISSION))


def _require(request: HttpRequest) -> None:
    if not may_retrain(request):
        raise PermissionDenied(_("You need the permission “Can start and cancel a training run”."))


def version_link(run: TrainingRun) -> str:
    """To the version that the run made; "" where it made none."""
    version = getattr(run, "version", None)
    if version is None:
        return ""
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:recommender_modelversion_change", args=[version.pk]), version
    )


def run_url(run: TrainingRun) -> str:
    return reverse("admin:recommender_trainingrun_change", args=[run.pk])
