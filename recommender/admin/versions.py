"""Model versions: what is live, how good it is, publish another one or roll back."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.admin.charts import bar
from recommender.admin.labels import PARTS, RANKERS, label
from recommender.admin.metrics import metric_charts
from recommender.admin.read_only import DetailAdmin
from recommender.exceptions import RecommenderError
from recommender.index.publish import publish, roll_back, roll_back_target
from recommender.models import ModelVersion

PERMISSION = "recommender.publish"
HEADLINE = "ndcg@10"  # the metric that the gate decides by


@admin.register(ModelVersion)
class ModelVersionAdmin(DetailAdmin):
    detail_template = "admin/recommender/modelversion/detail.html"
    change_list_template = "admin/recommender/modelversion/list.html"
    list_display = ("name", "state", "created_at", "quality", "best_simple", "item_count", "dim", "run")
    list_select_related = ("run",)
    ordering = ("-pk",)
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or may_publish(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:version_id>/publish/", view(self.publish), name="recommender_modelversion_publish"),
            path("roll-back/", view(self.roll_back), name="recommender_modelversion_rollback"),
        ]
        return own + super().get_urls()

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"may_publish": may_publish(request), "target": roll_back_target(), "title": _("Model versions")}
        return super().changelist_view(request, context | (extra_context or {}))

    def detail(self, request: HttpRequest, obj: ModelVersion) -> dict[str, Any]:
        artifacts = obj.artifacts.annotate(size=Length("content")).defer("content").order_by("name")
        return {
            "version": obj,
            "metrics": metric_charts(obj.verdict),
            "parts": [
                (label(PARTS, part["name"]), bar(part["weight"]), f"{part['weight']:.0%}", part["stop"] - part["start"])
                for part in obj.parts
            ],
            "artifacts": artifacts,
            "may_publish": may_publish(request),
        }

    # --- publish and roll back: a page that asks, then a POST that does

    def publish(self, request: HttpRequest, version_id: int) -> HttpResponse:
        _require(request)
        version = ModelVersion.objects.filter(pk=version_id).first()
        if version is None:
            raise Http404(_("There is no such version."))
        if request.method == "POST":
            return self._change(request, lambda: publish(version), _("Published."))
        return self._ask(request, version, _("Publish %(version)s?") % {"version": version})

    def roll_back(self, request: HttpRequest) -> HttpResponse:
        _require(request)
        if request.method == "POST":
            return self._change(request, roll_back, _("Published again by a roll back."))
        target = roll_back_target()
        if target is None:
            messages.warning(request, _("There is no earlier version to go back to."))
            return redirect("admin:recommender_modelversion_changelist")
        return self._ask(request, target, _("Roll back to %(version)s?") % {"version": target})

    def _ask(self, request: HttpRequest, version: ModelVersion, title: str) -> HttpResponse:
        live = ModelVersion.objects.filter(is_live=True).first()
        context = {
            "version": version,
            "live": live,
            "title": title,
            "quality": _score(version),
            "live_quality": _score(live),
        }
        return self.render(request, "admin/recommender/modelversion/confirm.html", version, context)

    def _change(self, request: HttpRequest, act: Any, said: str) -> HttpResponse:
        try:
            version = act()
        except RecommenderError as error:
            messages.error(request, str(error))
            return redirect("admin:recommender_modelversion_changelist")
        self.log_change(request, version, said)
        messages.success(request, _("%(version)s is live: your visitors see it from now on.") % {"version": version})
        return redirect("admin:recommender_modelversion_change", version.pk)

    # --- columns

    @admin.display(description=gettext_lazy("version"), ordering="pk")
    def name(self, version: ModelVersion) -> str:
        return str(version)

    @admin.display(description=gettext_lazy("status"))
    def state(self, version: ModelVersion) -> str:
        kind, text = status(version)
        return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>', kind, text)

    @admin.display(description=gettext_lazy("NDCG@10"))
    def quality(self, version: ModelVersion) -> str:
        return _score(version)

    @admin.display(description=gettext_lazy("best simple method"))
    def best_simple(self, version: ModelVersion) -> str:
        measured = version.verdict.get("metrics") or {}
        simple = {name: values.get(HEADLINE, 0.0) for name, values in measured.items() if name not in ("ours", "live")}
        if not simple:
            return "–"
        best = max(simple, key=lambda name: simple[name])
        return f"{simple[best]:.4f} {label(RANKERS, best)}"


def status(version: ModelVersion) -> tuple[str, str]:
    """(kind of badge, its text)."""
    if version.is_live:
        return "live", _("live")
    if not version.has_vectors:
        return "cancelled", _("removed")
    if not version.verdict.get("passed", True):
        return "refused", _("refused by the gate")
    return "queued", _("was live") if version.published_at else _("not published")


def may_publish(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PERMISSION))


def _require(request: HttpRequest) -> None:
    if not may_publish(request):
        raise PermissionDenied(_("You need the permission “Can publish a version or roll back”."))


def _score(version: ModelVersion | None) -> str:
    value = ((version.verdict.get("metrics") or {}).get("ours") or {}).get(HEADLINE) if version else None
    return "–" if value is None else f"{value:.4f}"
