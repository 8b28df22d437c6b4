"""Model versions: what is live, how good it is, how it compares with another one."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommender.admin.audit import history
from recommender.admin.charts import bar, share_text, whole
from recommender.admin.compare import comparison
from recommender.admin.dashboard import dashboard
from recommender.admin.estimates import estimated
from recommender.admin.item_pages import item_map, neighbours
from recommender.admin.judged import asked_too_few, judged
from recommender.admin.labels import HEADLINE, PARTS, RANKERS, augmentation, label
from recommender.admin.metrics import metric_charts
from recommender.admin.publishing import PublishingPages, find_version, may_publish, score
from recommender.index.publish import prunable, roll_back_target
from recommender.models import ModelVersion


@admin.register(ModelVersion)
class ModelVersionAdmin(PublishingPages):
    detail_template = "admin/recommender/modelversion/detail.html"
    change_list_template = "admin/recommender/modelversion/list.html"
    list_display = ("name", "state", "created_at", "quality", "best_simple", "items", "dim", "run")
    list_select_related = ("run",)
    ordering = ("-pk",)
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or may_publish(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("compare/", view(self.compare), name="recommender_modelversion_compare"),
            path("dashboard/", view(self.dashboard), name="recommender_modelversion_dashboard"),
            path("<int:version_id>/map/", view(self.map), name="recommender_modelversion_map"),
            path("<int:version_id>/neighbours/", view(self.neighbours), name="recommender_modelversion_neighbours"),
        ]
        return own + super().get_urls()

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "may_publish": may_publish(request),
            "target": roll_back_target(),
            "prunable": len(prunable()),
            "title": _("Model versions"),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def detail(self, request: HttpRequest, obj: ModelVersion) -> dict[str, Any]:
        artifacts = obj.artifacts.annotate(size=Length("content")).defer("content").order_by("name")
        return {
            "version": obj,
            "metrics": metric_charts(obj.verdict),
            "asked_too_few": asked_too_few(obj.verdict),
            "parts": [
                (label(PARTS, part["name"]), bar(weight), share_text(weight, 0), part["stop"] - part["start"])
                for part in obj.parts
                for weight in [part["weight"]]
            ],
            "artifacts": artifacts,
            "may_publish": may_publish(request),
            "live": ModelVersion.objects.filter(is_live=True).exclude(pk=obj.pk).first(),
            "history": history(version=obj),
            "augmentation": augmentation(obj),
            "estimated": estimated(obj),
            **judged(obj.verdict),
        }

    def compare(self, request: HttpRequest) -> HttpResponse:
        """`?a=3&b=5`: two versions side by side; without numbers, the live one beside the newest other one."""
        self._require_view(request)
        context = {
            **comparison(request.GET),
            "may_publish": may_publish(request),
            "title": _("Two versions side by side"),
        }
        return self.render(request, "admin/recommender/modelversion/compare.html", None, context)

    def dashboard(self, request: HttpRequest) -> HttpResponse:
        self._require_view(request)
        context = {**dashboard(), "title": _("The last weeks")}
        return self.render(request, "admin/recommender/dashboard.html", None, context)

    def map(self, request: HttpRequest, version_id: int) -> HttpResponse:
        version = self._shown(request, version_id)
        context = {**item_map(version), "title": _("Map of the products, by %(version)s") % {"version": version}}
        return self.render(request, "admin/recommender/modelversion/map.html", version, context)

    def neighbours(self, request: HttpRequest, version_id: int) -> HttpResponse:
        """`?item=KEY` or `?q=WORDS`."""
        version = self._shown(request, version_id)
        title = {"title": _("Neighbours of a product, by %(version)s") % {"version": version}}
        context = neighbours(version, request.GET.dict()) | title
        return self.render(request, "admin/recommender/modelversion/neighbours.html", version, context)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _shown(self, request: HttpRequest, version_id: int) -> ModelVersion:
        self._require_view(request)
        return find_version(version_id)

    # --- columns

    @admin.display(description=gettext_lazy("version"), ordering="pk")
    def name(self, version: ModelVersion) -> str:
        return str(version)

    @admin.display(description=gettext_lazy("status"))
    def state(self, version: ModelVersion) -> str:
        kind, text = status(version)
        pinned = format_html(' <span class="recommender-badge">{}</span>', _("pinned")) if version.is_pinned else ""
        return format_html('<span class="recommender-badge recommender-badge--{}">{}</span>{}', kind, text, pinned)

    @admin.display(description=gettext_lazy("NDCG@10"))
    def quality(self, version: ModelVersion) -> str:
        return score(version)

    @admin.display(description=gettext_lazy("items"), ordering="item_count")
    def items(self, version: ModelVersion) -> str:
        return whole(version.item_count)

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
